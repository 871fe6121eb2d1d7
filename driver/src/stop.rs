//! The signal that a method's caller waits no longer.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use super::wakers::{Awaited, Registration, WakerSet};

/// A flag that is set once, when the caller of a method waits no longer.
#[derive(Debug, Default)]
pub(super) struct Stop {
    stopped: AtomicBool,
    wakers: WakerSet,
}

impl Stop {
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.wakers.wake();
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    /// Returns a future-like value that completes when the flag is set.
    pub(super) const fn stopped(this: Arc<Self>) -> Stopped {
        Stopped(Registration::new(this))
    }
}

impl Awaited for Stop {
    fn wakers(&self) -> &WakerSet {
        &self.wakers
    }
}

/// Waits until a [`Stop`] is set.
pub(super) struct Stopped(Registration<Arc<Stop>>);

impl Stopped {
    pub(super) fn stop(&self) -> &Arc<Stop> {
        self.0.awaited()
    }

    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        if !self.stop().is_stopped() {
            self.0.register(cx);
            // The flag may have been set before the waker was registered.
            if !self.stop().is_stopped() {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }
}

impl Clone for Stopped {
    fn clone(&self) -> Self {
        Stop::stopped(self.stop().clone())
    }
}

impl fmt::Debug for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopped").field("stopped", &self.stop().is_stopped()).finish()
    }
}
