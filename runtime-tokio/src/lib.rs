//! [aiomas](https://aiomas.readthedocs.io) on [tokio](https://tokio.rs).
//!
//! The crate provides agents, remote procedure calls and request-reply channels over TCP and Unix sockets, compatible
//! byte for byte with Python's aiomas.
//!
//! This program runs two agents in one container, one of which calls the other:
//!
//! ```
//! use aiomas_tokio::{agent, container};
//!
//! struct TestAgent;
//!
//! #[agent]
//! impl TestAgent {
//!     #[expose]
//!     fn service(&self, value: i64) -> i64 {
//!         value
//!     }
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<(), aiomas_tokio::Error> {
//!     let container = container::bind("tcp://127.0.0.1:0").await?;
//!     let a = container.spawn(TestAgent)?;
//!     let b = container.spawn(TestAgent)?;
//!     println!("Ohai, I am {a}"); // TestAgent('tcp://127.0.0.1:40123/0')
//!
//!     let remote = a.connect::<TestAgentProxy>(b.url()).await?;
//!     println!("{a} got {} from {remote}", remote.service(42).await?);
//!     container.shutdown().await
//! }
//! ```
//!
//! Poll the futures of functions that bind, connect or listen within a tokio runtime, of either flavor, with
//! `enable_all`. The resulting containers, clients and channels keep to that runtime, and can be used on any thread:
//! also without a runtime, or with another executor. When the runtime has ended, calls and connects fail with
//! [`Error::Runtime`] or [`Error::Lost`].
//!
//! The crate re-exports the crate `aiomas` with the runtime filled in; libraries of agents need only `aiomas`.

#![forbid(unsafe_code)]

mod stream;

use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::task::{self, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

use aiomas::{AnyRuntime, Timer, sockets};
use aiomas_core::agent::Address;
use tokio::runtime::Handle;
use tokio::time::{Sleep, sleep_until};

pub use stream::{Acceptor, Open, Stream};

aiomas::adapter!(Tokio);

#[cfg(feature = "tls")]
pub use aiomas::tls;

/// The tokio runtime of the current task.
///
/// The default value takes the current runtime when a container, client or listener is [created](Runtime::attach), and
/// keeps to it from then on.
#[derive(Clone, Debug, Default)]
pub struct Tokio {
    handle: Option<Handle>,
}

/// The error of a program without a runtime, with the remedy.
const NO_RUNTIME: &str = "there is no tokio runtime on this thread: call this in one, as under #[tokio::main], \
                          or enter one before (`Handle::enter`)";

impl Runtime for Tokio {
    type Stream = Stream;
    type Listener = Acceptor;
    type Timer = Alarm;

    fn attach(&self) -> io::Result<AnyRuntime> {
        if self.handle.is_some() {
            return Ok(AnyRuntime::new(self.clone()));
        }
        let handle = Handle::try_current().map_err(|_| io::Error::other(NO_RUNTIME))?;
        // Tokio has no other way to check for timers.
        let timers = catch_unwind(|| drop(sleep_until(tokio::time::Instant::now())));
        timers.map_err(|panic| sockets::of_panic(&*panic))?;
        Ok(AnyRuntime::new(Self { handle: Some(handle) }))
    }

    /// Follows tokio's clock, which tests may pause.
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    /// Returns the system's date, plus the time by which a test has advanced tokio's clock.
    fn since_epoch(&self) -> Duration {
        let date = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let (system, tokio) = (Instant::now(), self.now());
        match tokio.checked_duration_since(system) {
            Some(ahead) => date.saturating_add(ahead),
            None => date.saturating_sub(system - tokio),
        }
    }

    fn timer(&self) -> Alarm {
        Alarm { handle: self.handle.clone(), sleep: None }
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        match &self.handle {
            Some(handle) => drop(handle.spawn(task)),
            None => drop(tokio::spawn(task)),
        }
    }

    /// Wakes the task after tokio has polled its sockets.
    ///
    /// Tokio does so for tasks that yield. A task that wakes itself is polled up to 61 times before.
    fn defer(&self, waker: &Waker) {
        let mut cx = task::Context::from_waker(waker);
        let _yields = pin!(tokio::task::yield_now()).poll(&mut cx);
    }

    fn spawn_blocking(&self, work: impl FnOnce() + Send + 'static) {
        tokio::task::spawn_blocking(work);
    }

    fn dial(&self, to: Address) -> impl Future<Output = io::Result<Stream>> + Send + 'static {
        within(self.handle.clone(), sockets::dial(self, to))
    }

    fn listen(&self, on: Address) -> impl Future<Output = io::Result<Acceptor>> + Send + 'static {
        within(self.handle.clone(), sockets::listen(self, on))
    }
}

/// Polls a future in a runtime, on any thread.
///
/// Sockets are created there, and panic if the runtime lacks I/O, which becomes an error.
async fn within<T>(
    handle: Option<Handle>,
    future: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    let mut future = pin!(future);
    sockets::without_panic(poll_fn(|cx| {
        let _entered = handle.as_ref().map(Handle::enter);
        future.as_mut().poll(cx)
    }))
    .await
}

/// Tokio's timer, which can be set anew. It takes memory from when it is set first.
#[derive(Debug, Default)]
pub struct Alarm {
    handle: Option<Handle>,
    sleep: Option<Pin<Box<Sleep>>>,
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

    fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        let Some(sleep) = &mut self.sleep else { return Poll::Pending };
        // As a runtime ends, it ends its timers; one that is polled then panics.
        if sleep.is_elapsed() {
            return Poll::Ready(());
        }
        let polled = catch_unwind(AssertUnwindSafe(|| sleep.as_mut().poll(cx)));
        polled.unwrap_or(Poll::Ready(()))
    }
}
