//! Calls that wait until there is room for them.

use std::collections::VecDeque;
use std::task::Waker;

/// The calls that wait until others have ended, or output is written, in order.
#[derive(Default)]
pub(super) struct Room {
    waiting: VecDeque<(u64, Waker)>,
    last: u64,
}

impl Room {
    /// Lets the call at `place` wait, at the end if it has none.
    pub(super) fn wait(&mut self, place: &mut Option<u64>, waker: &Waker) {
        match self.find(*place) {
            Some(index) => self.waiting[index].1.clone_from(waker),
            None => {
                self.last += 1;
                *place = Some(self.last);
                self.waiting.push_back((self.last, waker.clone()));
            }
        }
    }

    /// The call waits no more. Says whether it still did.
    pub(super) fn leave(&mut self, place: &mut Option<u64>) -> bool {
        let index = self.find(place.take());
        index.and_then(|index| self.waiting.remove(index)).is_some()
    }

    /// Who has its turn.
    pub(super) fn next(&mut self) -> Option<Waker> {
        self.waiting.pop_front().map(|(_, waker)| waker)
    }

    /// Places only grow, so the queue is in their order.
    fn find(&self, place: Option<u64>) -> Option<usize> {
        self.waiting.binary_search_by_key(&place?, |(place, _)| *place).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_have_their_turn_in_order_and_may_leave() {
        let (mut room, waker) = (Room::default(), Waker::noop());
        let mut places = [None; 4];
        for place in &mut places {
            room.wait(place, waker);
        }
        room.wait(&mut places[1], waker);
        assert_eq!(room.waiting.len(), 4, "it waited already");
        assert!(room.leave(&mut places[2]));
        assert!(!room.leave(&mut places[2]));
        assert!(room.next().is_some());
        assert!(!room.leave(&mut places[0]), "its turn has come");
        let mut again = places[0];
        room.wait(&mut again, waker);
        let order: Vec<_> = room.waiting.iter().map(|(place, _)| Some(*place)).collect();
        assert_eq!(order, [places[1], places[3], again]);
    }
}
