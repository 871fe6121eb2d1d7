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
    /// Lets the call at `place` wait, at the end if it has none yet.
    pub(super) fn wait(&mut self, place: &mut Option<u64>, waker: &Waker) {
        let found = self.waiting.iter_mut().find(|(other, _)| Some(*other) == *place);
        if let Some((_, old)) = found {
            old.clone_from(waker);
        } else {
            self.last += 1;
            *place = Some(self.last);
            self.waiting.push_back((self.last, waker.clone()));
        }
    }

    /// The call waits no more. Says whether it still did.
    pub(super) fn leave(&mut self, place: &mut Option<u64>) -> bool {
        let before = self.waiting.len();
        if let Some(place) = place.take() {
            self.waiting.retain(|(other, _)| *other != place);
        }
        self.waiting.len() < before
    }

    /// Who has its turn.
    pub(super) fn next(&mut self) -> Option<Waker> {
        self.waiting.pop_front().map(|(_, waker)| waker)
    }
}
