//! A timer, from the crate that async-std is built on.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use aiomas::Timer;

/// A timer that can be reset, unlike async-std's own.
#[derive(Debug)]
pub struct Alarm(async_io::Timer);

impl Alarm {
    pub(crate) fn new() -> Self {
        Self(async_io::Timer::never())
    }
}

impl Timer for Alarm {
    fn set(&mut self, at: Instant) {
        self.0.set_at(at);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(cx).map(drop)
    }
}
