//! [aiomas](https://aiomas.readthedocs.io) on [tokio](https://tokio.rs): agents, remote procedure calls and
//! request-reply channels over TCP and Unix sockets, byte for byte as Python's aiomas speaks them.
//!
//! Two agents in one container, one of which calls the other:
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
//! Everything is called from within a tokio runtime, of either flavour. What is here is `aiomas-core` with
//! the runtime filled in; libraries of agents need only that.

#![forbid(unsafe_code)]

mod stream;
mod timer;

use std::future::Future;
use std::io;
use std::pin::pin;
use std::task::{self, Waker};
use std::time::Instant;

use aiomas_core::agent::Address;

#[cfg(unix)]
pub use stream::UnixSocket;
pub use stream::{Acceptor, Open, Stream, Tcp};
pub use timer::Alarm;

aiomas_core::adapter!(Tokio);

#[cfg(feature = "tls")]
pub use aiomas_core::driver::tls;

/// The tokio runtime that the current task runs on.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Tokio;

impl Runtime for Tokio {
    type Stream = Stream;
    type Listener = Acceptor;
    type Timer = Alarm;

    /// Follows tokio's clock, which tests may pause.
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }

    fn timer(&self) -> Alarm {
        Alarm::default()
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(task);
    }

    /// Tokio wakes tasks that yield after it has looked at its sockets. One that wakes itself is polled up to 61 times
    /// before.
    fn defer(&self, waker: &Waker) {
        let mut cx = task::Context::from_waker(waker);
        let _yields = pin!(tokio::task::yield_now()).poll(&mut cx);
    }

    fn spawn_blocking(&self, work: impl FnOnce() + Send + 'static) {
        tokio::task::spawn_blocking(work);
    }

    fn dial(&self, to: Address) -> impl Future<Output = io::Result<Stream>> + Send + 'static {
        stream::dial(to)
    }

    fn listen(&self, on: Address) -> impl Future<Output = io::Result<Acceptor>> + Send + 'static {
        stream::listen(on)
    }
}
