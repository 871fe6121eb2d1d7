//! A timer of sleeps.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use aiomas_core::driver::Timer;

/// A timer. async-std has none that can be set anew, so each time takes one of its own.
#[derive(Default)]
pub struct Alarm(Option<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Timer for Alarm {
    fn set(&mut self, at: Instant) {
        let time = at.saturating_duration_since(Instant::now());
        self.0 = Some(Box::pin(async_std::task::sleep(time)));
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(sleep) = &mut self.0 else { return Poll::Pending };
        let over = sleep.as_mut().poll(cx);
        if over.is_ready() {
            self.0 = None;
        }
        over
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Alarm").field(&self.0.is_some()).finish()
    }
}
