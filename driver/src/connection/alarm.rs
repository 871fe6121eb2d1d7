//! The one timer of a connection.

use std::task::Context;
use std::time::Instant;

use crate::transport::Timer;

/// The runtime's timer, and when it ends if it is set.
pub(super) struct Alarm<M> {
    timer: M,
    due: Option<Instant>,
}

impl<M: Timer> Alarm<M> {
    pub(super) const fn new(timer: M) -> Self {
        Self { timer, due: None }
    }

    /// Forgets when the timer ends: the next [`wait_until`](Self::wait_until) sets it, also to a later time.
    pub(super) const fn reset(&mut self) {
        self.due = None;
    }

    /// Sets the timer. Returns whether there is time to wait for.
    pub(super) fn wait_until(&mut self, cx: &mut Context<'_>, at: Option<Instant>) -> bool {
        let Some(at) = at else { return true };
        // Most deadlines are never met, so the timer is only ever moved to an earlier time. That it ends too early now
        // and then costs less than to move it with each call.
        if self.due.is_none_or(|due| at < due) {
            self.timer.set(at);
            self.due = Some(at);
        }
        if self.timer.poll(cx).is_ready() {
            self.due = None;
            return false;
        }
        true
    }
}
