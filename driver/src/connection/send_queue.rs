//! The queue of calls that wait for room.

use std::collections::BTreeMap;
use std::task::Waker;

/// The calls that wait, in order, until others end or output is written.
///
/// Each event that makes room wakes as many tasks as may find room. A woken task without room waits again at its old
/// position. A task that is dropped after its turn has come passes the turn on, so no room stays unused while a call
/// waits.
#[derive(Default)]
pub(super) struct SendQueue {
    /// Keyed by position, which counts up. Any entry may leave, also in the middle, so this is not a list.
    waiting: BTreeMap<u64, Waker>,
    last: u64,
}

impl SendQueue {
    /// Queues the call at `place`. A call without a position, or whose turn had come, goes to the end.
    pub(super) fn wait(&mut self, place: &mut Option<u64>, waker: &Waker) {
        if let Some(waiting) = place.and_then(|place| self.waiting.get_mut(&place)) {
            waiting.clone_from(waker);
        } else {
            self.last += 1;
            *place = Some(self.last);
            self.waiting.insert(self.last, waker.clone());
        }
    }

    /// Removes the call from the queue. Returns whether its turn had not come yet.
    pub(super) fn release(&mut self, place: &mut Option<u64>) -> bool {
        place.take().is_some_and(|place| self.waiting.remove(&place).is_some())
    }

    /// Returns the waker of the next call.
    pub(super) fn next(&mut self) -> Option<Waker> {
        self.waiting.pop_first().map(|(_, waker)| waker)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_have_their_turn_in_order_and_may_leave() {
        let (mut room, waker) = (SendQueue::default(), Waker::noop());
        let mut places = [None; 4];
        for place in &mut places {
            room.wait(place, waker);
        }
        room.wait(&mut places[1], waker);
        assert_eq!(room.waiting.len(), 4, "it waited already");
        assert!(room.release(&mut places[2]));
        assert!(!room.release(&mut places[2]));
        assert!(room.next().is_some());
        assert!(!room.release(&mut places[0]), "its turn has come");
        let mut again = places[0];
        room.wait(&mut again, waker);
        let order: Vec<_> = room.waiting.keys().copied().map(Some).collect();
        assert_eq!(order, [places[1], places[3], again]);
    }
}
