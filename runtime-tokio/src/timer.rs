//! The timer of tokio.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use aiomas::Timer;
use tokio::runtime::Handle;
use tokio::time::{Sleep, sleep_until};

/// A timer that can be reset. It allocates when it is first set.
#[derive(Debug, Default)]
pub struct Alarm {
    handle: Option<Handle>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Alarm {
    pub(crate) const fn new(handle: Option<Handle>) -> Self {
        Self { handle, sleep: None }
    }
}

impl Timer for Alarm {
    fn set(&mut self, at: Instant) {
        match &mut self.sleep {
            Some(sleep) => sleep.as_mut().reset(at.into()),
            None => {
                let _entered = self.handle.as_ref().map(Handle::enter);
                self.sleep = Some(Box::pin(sleep_until(at.into())));
            }
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(sleep) = &mut self.sleep else { return Poll::Pending };
        // A runtime that ends also ends its timers; polling such a timer panics.
        if sleep.is_elapsed() {
            return Poll::Ready(());
        }
        let polled = catch_unwind(AssertUnwindSafe(|| sleep.as_mut().poll(cx)));
        polled.unwrap_or(Poll::Ready(()))
    }
}
