//! Calls in flight: a table by id, and their deadlines.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// The calls in flight.
///
/// A map would hash or compare its way to each call, twice per round trip. Here the id is the index: we choose the
/// ids, so no peer can make them collide, and an unknown id in an answer was never assigned or its call has ended.
///
/// Ids count up from 0 and are never reused, as in aiomas (mosaik and users' logs show them). A call's slot is its id
/// modulo the table's size; an id whose slot is still taken by an old call is left out, which the wire allows. The
/// table is never more than half full, so a free slot is near: finding, adding and removing a call is a mask and a
/// compare.
///
/// Calls with the same timeout end in the order in which they were made, so their deadlines are a list through the
/// table, one per distinct timeout. Adding and removing is a few writes, where a heap or an ordered set would pay a
/// logarithm for deadlines that almost never expire. Programs use few distinct timeouts; beyond [`MAX_LISTS`] an
/// ordered set holds the deadlines.
#[derive(Debug)]
pub(crate) struct Pending<X> {
    slots: Vec<Option<Slot<X>>>,
    len: usize,
    next_id: u64,
    lists: Vec<List>,
    /// Deadlines of more distinct timeouts than [`MAX_LISTS`].
    odd: BTreeSet<(Instant, u64)>,
}

#[derive(Debug)]
struct Slot<X> {
    id: u64,
    ctx: X,
    due: Due,
    /// The end of the request, as a position in the stream.
    end: u64,
}

#[derive(Debug)]
enum Due {
    Never,
    /// In `lists[list]`, between the calls `prev` and `next`.
    Listed {
        at: Instant,
        list: u8,
        prev: Option<u64>,
        next: Option<u64>,
    },
    Odd {
        at: Instant,
        timeout: Duration,
    },
}

#[derive(Debug)]
struct List {
    timeout: Duration,
    ends: Option<Ends>,
}

#[derive(Clone, Copy, Debug)]
struct Ends {
    first: u64,
    last: u64,
    first_at: Instant,
}

const MAX_LISTS: usize = 4;
const MIN_SLOTS: usize = 8;

impl<X> Pending<X> {
    pub(crate) const fn new() -> Self {
        Self { slots: Vec::new(), len: 0, next_id: 0, lists: Vec::new(), odd: BTreeSet::new() }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Returns whether `id` was ever given to a call.
    pub(crate) const fn was_used(&self, id: u64) -> bool {
        id < self.next_id
    }

    fn place(&self, id: u64) -> usize {
        // The table's size is a power of two, or zero.
        id as usize & self.slots.len().wrapping_sub(1)
    }

    fn slot_mut(&mut self, id: u64) -> Option<&mut Slot<X>> {
        let place = self.place(id);
        self.slots.get_mut(place)?.as_mut().filter(|slot| slot.id == id)
    }

    /// Returns the id of the next call that is added.
    pub(crate) fn reserve(&mut self) -> u64 {
        if self.len * 2 >= self.slots.len() {
            self.grow();
        }
        while self.slots[self.place(self.next_id)].is_some() {
            self.next_id += 1;
        }
        self.next_id
    }

    /// Takes an id for a request that is not kept here.
    #[inline]
    pub(crate) const fn skip(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        id
    }

    /// Returns a lower bound of the next id.
    pub(crate) const fn next_id(&self) -> u64 {
        self.next_id
    }

    /// Adds a call under the id that [`reserve`](Self::reserve) has just returned.
    pub(crate) fn insert(&mut self, now: Instant, timeout: Option<Duration>, ctx: X) {
        self.insert_until(now, timeout, ctx, 0);
    }

    /// As [`insert`](Self::insert); the request ends at `end` in the stream.
    pub(crate) fn insert_until(
        &mut self,
        now: Instant,
        timeout: Option<Duration>,
        ctx: X,
        end: u64,
    ) {
        let id = self.next_id;
        self.next_id += 1;
        let due = match timeout {
            Some(timeout) => self.add_deadline(now, timeout, id),
            None => Due::Never,
        };
        let place = self.place(id);
        self.slots[place] = Some(Slot { id, ctx, due, end });
        self.len += 1;
    }

    /// Returns whether this call is in flight.
    pub(crate) fn contains(&self, id: u64) -> bool {
        let slot = self.slots.get(self.place(id)).and_then(Option::as_ref);
        slot.is_some_and(|slot| slot.id == id)
    }

    #[inline]
    pub(crate) fn remove(&mut self, id: u64) -> Option<X> {
        self.take(id).map(|slot| slot.ctx)
    }

    #[inline(always)]
    fn take(&mut self, id: u64) -> Option<Slot<X>> {
        let place = self.place(id);
        let slot = self.slots.get_mut(place)?.take_if(|slot| slot.id == id)?;
        self.len -= 1;
        match &slot.due {
            Due::Never => {}
            Due::Odd { at, .. } => {
                self.odd.remove(&(*at, id));
            }
            Due::Listed { list, prev, next, .. } => self.unlink(*list, *prev, *next),
        }
        Some(slot)
    }

    /// Removes all calls, oldest first.
    pub(crate) fn drain(&mut self) -> Vec<(u64, X)> {
        let mut calls: Vec<_> =
            std::mem::take(&mut self.slots).into_iter().flatten().map(|s| (s.id, s.ctx)).collect();
        calls.sort_unstable_by_key(|(id, _)| *id);
        self.len = 0;
        self.lists.clear();
        self.odd.clear();
        calls
    }

    /// Returns the earliest deadline.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let listed = self.lists.iter().filter_map(|list| Some(list.ends?.first_at)).min();
        let odd = self.odd.first().map(|(at, _)| *at);
        listed.into_iter().chain(odd).min()
    }

    /// Removes a call whose deadline has come. Returns its timeout, too.
    pub(crate) fn expire(&mut self, now: Instant) -> Option<(u64, X, Duration)> {
        self.expire_until(now).map(|(id, ctx, timeout, _)| (id, ctx, timeout))
    }

    /// As [`expire`](Self::expire), with the end of its request.
    pub(crate) fn expire_until(&mut self, now: Instant) -> Option<(u64, X, Duration, u64)> {
        let listed = self.lists.iter().filter_map(|list| list.ends).map(|e| (e.first_at, e.first));
        let (_, id) = listed.chain(self.odd.first().copied()).filter(|(at, _)| *at <= now).min()?;
        let slot = self.take(id)?;
        let timeout = match slot.due {
            Due::Listed { list, .. } => self.lists[usize::from(list)].timeout,
            Due::Odd { timeout, .. } => timeout,
            Due::Never => return None,
        };
        Some((id, slot.ctx, timeout, slot.end))
    }

    fn grow(&mut self) {
        let size = (self.slots.len() * 2).max(MIN_SLOTS);
        let old = std::mem::take(&mut self.slots);
        self.slots.resize_with(size, || None);
        // Two ids that differ modulo the old size differ modulo the new one as well.
        for slot in old.into_iter().flatten() {
            let place = self.place(slot.id);
            self.slots[place] = Some(slot);
        }
    }

    fn add_deadline(&mut self, now: Instant, timeout: Duration, id: u64) -> Due {
        // A deadline beyond the clock's range never expires.
        let Some(at) = now.checked_add(timeout) else {
            return Due::Never;
        };
        let same = self.lists.iter().position(|list| list.timeout == timeout);
        let Some(index) = same.or_else(|| self.free_list(timeout)) else {
            self.odd.insert((at, id));
            return Due::Odd { at, timeout };
        };
        let prev = self.lists[index].ends.map(|ends| ends.last);
        if let Some(last) = prev.and_then(|last| self.slot_mut(last))
            && let Due::Listed { next, .. } = &mut last.due
        {
            *next = Some(id);
        }
        let ends = &mut self.lists[index].ends;
        *ends = Some(match *ends {
            Some(ends) => Ends { last: id, ..ends },
            None => Ends { first: id, last: id, first_at: at },
        });
        Due::Listed { at, list: index as u8, prev, next: None }
    }

    fn free_list(&mut self, timeout: Duration) -> Option<usize> {
        if let Some(index) = self.lists.iter().position(|list| list.ends.is_none()) {
            self.lists[index].timeout = timeout;
            return Some(index);
        }
        (self.lists.len() < MAX_LISTS).then(|| {
            self.lists.push(List { timeout, ends: None });
            self.lists.len() - 1
        })
    }

    #[inline(never)]
    fn unlink(&mut self, list: u8, prev: Option<u64>, next: Option<u64>) {
        let mut next_at = None;
        if let Some(Due::Listed { at, prev: back, .. }) =
            next.and_then(|next| self.slot_mut(next)).map(|slot| &mut slot.due)
        {
            *back = prev;
            next_at = Some(*at);
        }
        if let Some(Due::Listed { next: forth, .. }) =
            prev.and_then(|prev| self.slot_mut(prev)).map(|slot| &mut slot.due)
        {
            *forth = next;
        }
        let ends = &mut self.lists[usize::from(list)].ends;
        *ends = ends.and_then(|ends| match (prev, next, next_at) {
            (None, Some(next), Some(at)) => Some(Ends { first: next, first_at: at, ..ends }),
            (Some(prev), None, _) => Some(Ends { last: prev, ..ends }),
            (Some(_), Some(_), _) => Some(ends),
            (None, ..) => None,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
    fn start() -> Instant {
        Instant::now()
    }

    fn add(pending: &mut Pending<u64>, now: Instant, timeout: Option<u64>) -> u64 {
        let id = pending.reserve();
        pending.insert(now, timeout.map(Duration::from_secs), id);
        id
    }

    #[test]
    fn ids_count_up_and_leave_out_the_places_of_old_calls() {
        let now = start();
        let mut pending = Pending::new();
        let old = add(&mut pending, now, None);
        let mut last = old;
        for _ in 0..1000 {
            let id = add(&mut pending, now, None);
            assert!(id > last);
            last = id;
            assert_eq!(pending.remove(id), Some(id));
        }
        assert!(last < 1200, "few ids are left out: {last}");
        assert_eq!(pending.slots.len(), MIN_SLOTS);
        assert_eq!(pending.remove(last), None);
        assert_eq!(pending.remove(old), Some(old));
        assert!(pending.was_used(last) && !pending.was_used(last + 1));
    }

    #[test]
    fn deadlines_come_in_order_whatever_is_removed() {
        let now = start();
        let mut pending = Pending::new();
        let mut expected = Vec::new();
        // More distinct timeouts than lists.
        for i in 0..500_u64 {
            let timeout = [5, 1, 9, 2, 7, 3, 30][i as usize % 7];
            let id = add(&mut pending, now + Duration::from_secs(i), Some(timeout));
            expected.push((now + Duration::from_secs(i + timeout), id));
        }
        for i in (0..500).step_by(3) {
            assert!(pending.remove(expected[i].1).is_some());
        }
        let mut expected: Vec<_> =
            expected.into_iter().enumerate().filter(|(i, _)| i % 3 != 0).map(|(_, e)| e).collect();
        expected.sort_unstable();
        for (at, id) in expected {
            assert_eq!(pending.next_deadline(), Some(at));
            assert_eq!(pending.expire(at - Duration::from_nanos(1)), None);
            let (expired, ctx, _) = pending.expire(at).unwrap();
            assert_eq!((expired, ctx), (id, id));
        }
        assert_eq!((pending.len(), pending.next_deadline()), (0, None));
    }
}
