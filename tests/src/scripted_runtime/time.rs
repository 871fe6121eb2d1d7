//! Timers of the virtual clock.

use std::task::{Context, Poll};
use std::time::Instant;

use aiomas::Timer;

use super::ScriptedRuntime;

/// A timer.
#[derive(Debug)]
pub struct Alarm {
    runtime: ScriptedRuntime,
    at: Option<Instant>,
    /// The key under which it waits.
    key: Option<(Instant, u64)>,
}

impl Alarm {
    pub(super) const fn new(runtime: ScriptedRuntime) -> Self {
        Self { runtime, at: None, key: None }
    }

    fn release(&mut self) {
        if let Some(key) = self.key.take() {
            self.runtime.lock().timers.remove(&key);
        }
    }
}

impl Timer for Alarm {
    fn set(&mut self, at: Instant) {
        self.release();
        self.at = Some(at);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Pending };
        self.release();
        let mut state = self.runtime.lock();
        if state.now >= at {
            return Poll::Ready(());
        }
        state.last_id += 1;
        let key = (at, state.last_id);
        state.timers.insert(key, cx.waker().clone());
        self.key = Some(key);
        Poll::Pending
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.release();
    }
}
