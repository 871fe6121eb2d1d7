//! That somebody has said that it is enough.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use crate::driver::contain::wake_all;
use crate::driver::lock::lock;
use crate::driver::waits;

/// What is told; it also is when this is dropped.
#[derive(Default)]
pub(super) struct Stop(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    stopped: bool,
    waiting: Vec<Waker>,
}

impl Stop {
    pub(super) fn stopped(&self) -> Stopped {
        Stopped(self.0.clone())
    }

    pub(super) fn stop(&self) {
        let waiting = {
            let mut state = lock(&self.0);
            state.stopped = true;
            std::mem::take(&mut state.waiting)
        };
        wake_all(waiting);
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
#[derive(Clone)]
#[must_use = "nothing is waited for until it is awaited"]
pub struct Stopped(Arc<Mutex<State>>);

impl Future for Stopped {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.0);
        if state.stopped {
            return Poll::Ready(());
        }
        if !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.waiting.push(cx.waker().clone());
        }
        waits::note(|| "for a manager to be stopped".to_owned());
        Poll::Pending
    }
}

impl fmt::Debug for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stopped").field("stopped", &lock(&self.0).stopped).finish()
    }
}
