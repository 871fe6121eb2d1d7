//! Telling a program that its manager has been stopped.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::stop;
use crate::waits;

/// Stops when it is dropped, if not before.
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

/// Ends when a [`Manager`](super::Manager) is told to stop, or is gone.
///
/// # Cancel safety
/// It can be dropped and asked for again at any time before the manager is in its container; a clone at any
/// time.
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
