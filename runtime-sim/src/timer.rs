//! Timers of the virtual clock.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use aiomas::{Timer, waits};

use crate::world::{Event, EventKey, World};

/// A timer of the virtual clock.
#[derive(Debug)]
pub struct Alarm {
    world: Arc<World>,
    at: Option<Instant>,
    /// `Some` while the timer runs.
    key: Option<EventKey>,
}

impl Alarm {
    pub(crate) const fn new(world: Arc<World>) -> Self {
        Self { world, at: None, key: None }
    }

    fn cancel(&mut self) {
        if let Some(key) = self.key.take() {
            // Dropped without the lock, because it contains a waker of a task.
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
        if state.env.now >= at {
            return Poll::Ready(());
        }
        self.key = Some(state.schedule(at, Event::Wake(cx.waker().clone())));
        let at = state.env.since_start(at);
        drop(state);
        waits::note(|| format!("for the time {at:?}"));
        Poll::Pending
    }
}

/// Waits in virtual time.
pub(crate) async fn sleep(world: &Arc<World>, time: Duration) {
    let mut timer = Alarm::new(world.clone());
    let now = world.lock().env.now;
    // A time beyond the range of `Instant` never comes.
    if let Some(at) = now.checked_add(time) {
        timer.set(at);
    }
    poll_fn(|cx| timer.poll(cx)).await;
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.cancel();
    }
}
