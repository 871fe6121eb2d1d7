//! A [`Runtime`] without its type: what everything goes by that is not called all the time.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::runtime::Runtime;
use super::transport::Timer;

pub(super) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// See [`Runtime`].
pub(super) trait Host: Send + Sync {
    fn now(&self) -> Instant;
    fn since_epoch(&self) -> Duration;
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

/// Waits until `at`.
pub(super) async fn sleep_until(host: &(impl Host + ?Sized), at: Instant) {
    let mut timer = host.timer();
    timer.set(at);
    poll_fn(|cx| timer.poll(cx)).await;
}

/// Waits.
pub(super) async fn sleep(host: &(impl Host + ?Sized), time: Duration) {
    if let Some(at) = host.now().checked_add(time) {
        sleep_until(host, at).await;
    }
}
