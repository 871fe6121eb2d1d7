//! A type-erased [`Runtime`], which the driver runs on.
//!
//! Everything behind [`Host`] is compiled once, in the crate that calls [`AnyRuntime::new`]. The driver is not generic
//! over runtimes, so a program that uses it does not compile it again.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::Error;
use super::local::LocalNames;
use super::runtime::Runtime;
use super::transport::{Listener, Timer, Transport};
use aiomas_core::agent::Address;

pub(super) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A type-erased listener.
pub(super) type BoxListener = Box<dyn Listener<Stream = Box<dyn Transport>>>;

/// See [`Runtime`].
pub(super) trait Host: Send + Sync {
    fn now(&self) -> Instant;
    fn since_epoch(&self) -> Duration;
    fn date_check(&self) -> Duration;
    fn seed(&self) -> u64;
    fn local(&self) -> LocalNames;
    fn timer(&self) -> Box<dyn Timer>;
    fn spawn(&self, task: BoxFuture<()>);
    fn defer(&self, waker: &Waker);
    fn spawn_blocking(&self, work: Box<dyn FnOnce() + Send>);
    fn parallelism(&self) -> usize;
    fn dial(&self, to: Address) -> BoxFuture<io::Result<Box<dyn Transport>>>;
    fn listen(&self, on: Address) -> BoxFuture<io::Result<BoxListener>>;
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

    fn local(&self) -> LocalNames {
        Runtime::local(self)
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

    fn dial(&self, to: Address) -> BoxFuture<io::Result<Box<dyn Transport>>> {
        let dial = Runtime::dial(self, to);
        Box::pin(async move { Ok(Box::new(dial.await?) as _) })
    }

    fn listen(&self, on: Address) -> BoxFuture<io::Result<BoxListener>> {
        let listen = Runtime::listen(self, on);
        Box::pin(async move { Ok(Box::new(Boxing(listen.await?)) as _) })
    }
}

/// A listener that erases the type of its streams.
pub(super) struct Boxing<L>(pub(super) L);

impl<L: Listener> Listener for Boxing<L> {
    type Stream = Box<dyn Transport>;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Box<dyn Transport>>> {
        self.0.poll_accept(cx).map_ok(|stream| Box::new(stream) as _)
    }

    fn refused(&self, peer: Option<&str>, error: &io::Error) {
        self.0.refused(peer, error);
    }

    fn address(&self) -> io::Result<Address> {
        self.0.address()
    }
}

/// A type-erased [`Runtime`], as [`Runtime::attach`] returns it.
#[derive(Clone)]
pub struct AnyRuntime(pub(super) Arc<dyn Host>);

impl AnyRuntime {
    /// Erases the type of a runtime.
    ///
    /// The code for the runtime (its sockets, its tasks) is compiled in the crate that calls this from a function that
    /// is not generic.
    pub fn new<R: Runtime>(runtime: R) -> Self {
        Self(Arc::new(runtime))
    }
}

impl fmt::Debug for AnyRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnyRuntime")
    }
}

/// The host whose clock times a call, and the callee's address, if it has one.
pub(super) type Callee = (Arc<dyn Host>, Option<Arc<str>>);

/// The runtime has ended, and its timers with it.
pub(super) struct RuntimeEnded;

impl From<RuntimeEnded> for Error {
    fn from(_: RuntimeEnded) -> Self {
        Self::Runtime { text: "the runtime has ended, and with it all timers".into() }
    }
}

impl From<RuntimeEnded> for io::Error {
    fn from(_: RuntimeEnded) -> Self {
        Self::other("the runtime has ended, and with it all timers")
    }
}

/// Waits until `at`.
///
/// # Errors
/// The runtime has ended, so the wait was cut short.
pub(super) async fn sleep_until(
    host: &(impl Host + ?Sized),
    at: Instant,
) -> Result<(), RuntimeEnded> {
    let mut timer = host.timer();
    timer.set(at);
    poll_fn(|cx| timer.poll(cx)).await;
    if host.now() < at { Err(RuntimeEnded) } else { Ok(()) }
}

/// Waits for `time`. See [`sleep_until`].
pub(super) async fn sleep(host: &(impl Host + ?Sized), time: Duration) -> Result<(), RuntimeEnded> {
    match host.now().checked_add(time) {
        Some(at) => sleep_until(host, at).await,
        None => Ok(()),
    }
}
