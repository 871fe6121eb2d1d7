//! The connections of a node, by a key that is never reused.

use super::super::ConnId;

/// Values by [`ConnId`]. The id holds the slot and its number of uses, so the id of a removed connection finds nothing.
#[derive(Debug)]
pub(super) struct Slab<T> {
    places: Vec<Place<T>>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Place<T> {
    uses: u32,
    value: Option<T>,
}

impl<T> Slab<T> {
    pub(super) const fn new() -> Self {
        Self { places: Vec::new(), free: Vec::new() }
    }

    pub(super) fn insert(&mut self, value: T) -> ConnId {
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place { uses: 0, value: None });
            (self.places.len() - 1) as u32
        });
        let place = &mut self.places[index as usize];
        place.value = Some(value);
        ConnId(u64::from(place.uses) << 32 | u64::from(index))
    }

    fn place(&mut self, id: ConnId) -> Option<&mut Place<T>> {
        let place = self.places.get_mut(id.0 as u32 as usize)?;
        (u64::from(place.uses) == id.0 >> 32).then_some(place)
    }

    pub(super) fn get(&self, id: ConnId) -> Option<&T> {
        let place = self.places.get(id.0 as u32 as usize)?;
        place.value.as_ref().filter(|_| u64::from(place.uses) == id.0 >> 32)
    }

    pub(super) fn get_mut(&mut self, id: ConnId) -> Option<&mut T> {
        self.place(id)?.value.as_mut()
    }

    pub(super) fn remove(&mut self, id: ConnId) -> Option<T> {
        let place = self.place(id)?;
        let value = place.value.take()?;
        // A slot with an exhausted counter is not reused.
        if let Some(uses) = place.uses.checked_add(1) {
            place.uses = uses;
            self.free.push(id.0 as u32);
        }
        Some(value)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = ConnId> + '_ {
        self.places
            .iter()
            .enumerate()
            .filter(|(_, place)| place.value.is_some())
            .map(|(index, place)| ConnId(u64::from(place.uses) << 32 | index as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_id_finds_nothing() {
        let mut slab = Slab::new();
        let (a, b) = (slab.insert('a'), slab.insert('b'));
        assert_eq!(slab.remove(a), Some('a'));
        let c = slab.insert('c');
        assert_ne!(a, c);
        assert_eq!(slab.get(a), None);
        assert_eq!(slab.remove(a), None);
        assert_eq!(slab.ids().collect::<Vec<_>>(), [c, b]);
        assert_eq!((slab.get(b), slab.get(c)), (Some(&'b'), Some(&'c')));
    }
}
