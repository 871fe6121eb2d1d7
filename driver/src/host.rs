//! A [`Runtime`] without its type: what everything goes by that is not called all the time.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::Error;
use super::runtime::Runtime;
use super::transport::Timer;

pub(super) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// See [`Runtime`].
pub(super) trait Host: Send + Sync {
    fn now(&self) -> Instant;
    fn since_epoch(&self) -> Duration;
    fn date_check(&self) -> Duration;
    fn seed(&self) -> u64;
    fn timer(&self) -> Box<dyn Timer>;
    fn spawn(&self, task: BoxFuture<()>);
    fn defer(&self, waker: &Waker);
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>);
    fn parallelism(&self) -> usize;
}

impl<R: Runtime> Host for R {
    fn now(&self) -> Instant {
        Runtime::now(self)
    }

    fn since_epoch(&self) -> Duration {
        Runtime::since_epoch(self)
    }

    fn date_check(&self) -> Duration {
        Runtime::date_check(self)
    }

    fn seed(&self) -> u64 {
        Runtime::seed(self)
    }

    fn timer(&self) -> Box<dyn Timer> {
        Box::new(Runtime::timer(self))
    }

    fn spawn(&self, task: BoxFuture<()>) {
        Runtime::spawn(self, task);
    }

    fn defer(&self, waker: &Waker) {
        Runtime::defer(self, waker);
    }

    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>) {
        Runtime::spawn_blocking(self, work);
    }

    fn parallelism(&self) -> usize {
        Runtime::parallelism(self)
    }
}

/// Whose clock a call goes by, and the callee's address, if it has one.
pub(super) type Callee = (Arc<dyn Host>, Option<Arc<str>>);

/// A timer cannot wait any more.
pub(super) struct RuntimeEnded;

impl From<RuntimeEnded> for Error {
    fn from(_: RuntimeEnded) -> Self {
        Self::Runtime { text: "the runtime has ended, and with it all timers".into() }
    }
}

impl From<RuntimeEnded> for std::io::Error {
    fn from(_: RuntimeEnded) -> Self {
        Self::other("the runtime has ended, and with it all timers")
    }
}

/// Waits until `at`.
///
/// # Errors
/// The runtime has ended, so that nothing waits any more.
pub(super) async fn sleep_until(
    host: &(impl Host + ?Sized),
    at: Instant,
) -> Result<(), RuntimeEnded> {
    let mut timer = host.timer();
    timer.set(at);
    poll_fn(|cx| timer.poll(cx)).await;
    if host.now() < at { Err(RuntimeEnded) } else { Ok(()) }
}

/// Waits. See [`sleep_until`].
pub(super) async fn sleep(host: &(impl Host + ?Sized), time: Duration) -> Result<(), RuntimeEnded> {
    match host.now().checked_add(time) {
        Some(at) => sleep_until(host, at).await,
        None => Ok(()),
    }
}
