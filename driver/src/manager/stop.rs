//! The stop signal of a manager.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::stop;
use crate::waits;

/// Signals a stop, at the latest when it is dropped.
#[derive(Default)]
pub(super) struct Stop(Arc<stop::Stop>);

impl Stop {
    pub(super) fn stopped(&self) -> Stopped {
        Stopped(stop::Stop::stopped(self.0.clone()))
    }

    pub(super) fn stop(&self) {
        self.0.stop();
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A future that ends when a [`Manager`](super::Manager) is asked to stop, or is gone.
///
/// # Cancel safety
/// Dropping it is safe: request it again before the manager is spawned, or keep a clone, which works at any time.
#[derive(Clone, Debug)]
#[must_use = "nothing is waited for until it is awaited"]
pub struct Stopped(stop::Stopped);

impl Future for Stopped {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let stopped = self.0.poll(cx);
        if stopped.is_pending() {
            waits::note(|| "for a manager to be stopped".to_owned());
        }
        stopped
    }
}
