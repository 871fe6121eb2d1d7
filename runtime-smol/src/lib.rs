//! [aiomas](https://aiomas.readthedocs.io) on [smol](https://docs.rs/smol): agents, remote procedure calls and
//! request-reply channels over TCP and Unix sockets, byte for byte as Python's aiomas speaks them.
//!
//! Two agents in one container, one of which calls the other:
//!
//! ```
//! use aiomas_smol::{agent, container};
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
//! fn main() -> Result<(), aiomas_smol::Error> {
//!     smol::block_on(async {
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

aiomas::adapter!(Smol);

#[cfg(feature = "tls")]
pub use aiomas::tls;

/// The global executor of smol.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Smol;

impl Runtime for Smol {
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
        smol::spawn(task).detach();
    }

    fn spawn_blocking(&self, work: impl FnOnce() + Send + 'static) {
        smol::unblock(work).detach();
    }

    fn dial(&self, to: Address) -> impl Future<Output = io::Result<Stream>> + Send + 'static {
        sockets::dial(self, to)
    }

    fn listen(&self, on: Address) -> impl Future<Output = io::Result<Acceptor>> + Send + 'static {
        sockets::listen(self, on)
    }
}
