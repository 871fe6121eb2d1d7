//! Telling whoever works for a caller that this waits no longer.

use std::sync::Mutex;
use std::task::{Context, Poll, Waker};

use super::contain::wake_all;
use super::lock::lock;

/// Whether work goes on for which somebody waits. Whoever does the work polls it, and lets it end when it is
/// stopped.
#[derive(Debug, Default)]
pub(super) struct Stop(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    stopped: bool,
    waiting: Vec<Waker>,
}

impl Stop {
    /// Nobody waits any more.
    pub(super) fn stop(&self) {
        let waiting = {
            let mut state = lock(&self.0);
            state.stopped = true;
            std::mem::take(&mut state.waiting)
        };
        wake_all(waiting);
    }

    pub(super) fn is_stopped(&self) -> bool {
        lock(&self.0).stopped
    }

    /// Waits until nobody waits any more.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = lock(&self.0);
        if state.stopped {
            return Poll::Ready(());
        }
        if !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }
}
