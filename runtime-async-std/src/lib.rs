//! async-std is discontinued (RUSTSEC-2025-0052); this crate exists for programs that still run on it. New ones
//! take `aiomas-tokio` or `aiomas-smol`, which have the same interface.
//!
//! [aiomas](https://aiomas.readthedocs.io) on [async-std](https://docs.rs/async-std): agents, remote procedure
//! calls and request-reply channels over TCP and Unix sockets, byte for byte as Python's aiomas speaks them.
//!
//! Two agents in one container, one of which calls the other:
//!
//! ```
//! use aiomas_async_std::{agent, container};
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
//! fn main() -> Result<(), aiomas_async_std::Error> {
//!     async_std::task::block_on(async {
//!         let container = container::bind("tcp://127.0.0.1:0").await?;
//!         let a = container.spawn(TestAgent)?;
//!         let b = container.spawn(TestAgent)?;
//!         println!("Ohai, I am {a}"); // TestAgent('tcp://127.0.0.1:40123/0')
//!
//!         let remote = a.connect::<TestAgentProxy>(b.url()).await?;
//!         println!("{a} got {} from {remote}", remote.service(42).await?);
//!         container.shutdown().await
//!     })
//! }
//! ```
//!
//! This is the package `aiomas` with the runtime filled in; libraries of agents need `aiomas` alone.

#![forbid(unsafe_code)]

mod stream;
mod timer;

use std::future::Future;
use std::io;

use aiomas::{AnyRuntime, sockets};
use aiomas_core::agent::Address;

pub use stream::{Acceptor, Stream};
pub use timer::Alarm;

aiomas::adapter!(AsyncStd);

#[cfg(feature = "tls")]
pub use aiomas::tls;

/// The global executor of async-std.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct AsyncStd;

impl Runtime for AsyncStd {
    type Stream = Stream;
    type Listener = Acceptor;
    type Timer = Alarm;

    fn attach(&self) -> io::Result<AnyRuntime> {
        Ok(AnyRuntime::new(*self))
    }

    fn timer(&self) -> Alarm {
        Alarm::new()
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        async_std::task::spawn(task);
    }

    fn spawn_blocking(&self, work: impl FnOnce() + Send + 'static) {
        async_std::task::spawn_blocking(work);
    }

    fn dial(&self, to: Address) -> impl Future<Output = io::Result<Stream>> + Send + 'static {
        sockets::dial(self, to)
    }

    fn listen(&self, on: Address) -> impl Future<Output = io::Result<Acceptor>> + Send + 'static {
        sockets::listen(self, on)
    }
}
