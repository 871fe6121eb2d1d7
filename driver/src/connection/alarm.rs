//! The single timer of a connection.

use std::task::Context;
use std::time::Instant;

use crate::transport::Timer;

/// The runtime's timer, with its end if it is set.
pub(super) struct Alarm<M> {
    timer: M,
    due: Option<Instant>,
}

impl<M: Timer> Alarm<M> {
    pub(super) const fn new(timer: M) -> Self {
        Self { timer, due: None }
    }

    /// Discards the end of the timer: the next [`wait_until`](Self::wait_until) sets it, even to a later time.
    pub(super) const fn reset(&mut self) {
        self.due = None;
    }

    /// Sets the timer. Returns whether time is left to wait.
    pub(super) fn wait_until(&mut self, cx: &mut Context<'_>, at: Option<Instant>) -> bool {
        let Some(at) = at else { return true };
        // Most deadlines never expire, so the timer only moves to earlier times. An occasional early end costs less
        // than moving the timer with each call.
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
