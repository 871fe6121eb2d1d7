//! Timers of the virtual clock.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use aiomas_core::driver::{Timer, waits};

use crate::world::{Event, EventKey, World};

/// A timer of the virtual clock.
#[derive(Debug)]
pub struct Alarm {
    world: Arc<World>,
    at: Option<Instant>,
    /// While it waits.
    key: Option<EventKey>,
}

impl Alarm {
    pub(crate) const fn new(world: Arc<World>) -> Self {
        Self { world, at: None, key: None }
    }

    fn cancel(&mut self) {
        if let Some(key) = self.key.take() {
            // Dropped without the lock: it is a waker of somebody's.
            let _event = self.world.lock().cancel(key);
        }
    }
}

impl Timer for Alarm {
    fn set(&mut self, at: Instant) {
        self.cancel();
        self.at = Some(at);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(at) = self.at else { return Poll::Pending };
        self.cancel();
        let mut state = self.world.lock();
        if state.now >= at {
            return Poll::Ready(());
        }
        self.key = Some(state.schedule(at, Event::Wake(cx.waker().clone())));
        let at = at - state.start;
        drop(state);
        waits::note(|| format!("for the time {at:?}"));
        Poll::Pending
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.cancel();
    }
}
