//! A client that puts a server to the test, whatever that is written in: the mirror of
//! `tests/python/client.py`.
//!
//! It is written twice, as the program `peer` is. Scenarios panic if the server does not do what it should.

mod content;
mod driver;
pub mod poll;
mod raw;

use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use aiomas::tls::TlsConfig;
use aiomas_async_std::AsyncStd;
use aiomas_core::agent::{Address, AgentUrl};
use aiomas_core::wire::Codec;
use aiomas_smol::Smol;
use aiomas_tokio::Tokio;

use crate::peer::Kind;
use crate::process::LIMIT;
use crate::runtime_suite;
use crate::runtimes::{RuntimeKind, on_tokio};
use crate::types::Serializers;

pub use raw::RawStream;

/// A server under test.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where it listens.
    pub address: Address,
    /// What it is spoken to in.
    pub codec: Codec,
    /// The user types of both sides.
    pub serializers: Serializers,
    /// With what to speak TLS. The poll loop does not.
    pub tls: Option<TlsConfig>,
    /// Whether its agents' clock is one that is set from outside.
    pub external_clock: bool,
}

impl Server {
    /// Puts the server to all tests of a kind, with a client on `runtime`, and returns how many these were.
    ///
    /// # Panics
    /// If the server fails one.
    pub fn challenge(&self, kind: Kind, runtime: RuntimeKind) -> usize {
        match runtime {
            RuntimeKind::Poll if self.tls.is_some() => panic!("the poll loop does not speak TLS"),
            RuntimeKind::Poll => poll::challenge(self, kind),
            RuntimeKind::Tokio => on_tokio(driver::challenge(Tokio::default(), self, kind)),
            RuntimeKind::AsyncStd => {
                async_std::task::block_on(driver::challenge(AsyncStd::default(), self, kind))
            }
            RuntimeKind::Smol => smol::block_on(driver::challenge(Smol::default(), self, kind)),
        }
    }

    /// The URL of an agent.
    fn url(&self, aid: &str) -> AgentUrl {
        AgentUrl::new(self.address.clone(), aid)
    }

    /// An address for an endpoint of our own, of the same kind as the server's.
    fn own_address(&self) -> Address {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        match &self.address {
            Address::Ipc(_) => {
                let number = COUNT.fetch_add(1, Ordering::Relaxed);
                let name = format!("aiomas-client-{}-{number}", std::process::id());
                Address::Ipc(std::env::temp_dir().join(name).to_string_lossy().into())
            }
            _ => Address::Tcp { host: "127.0.0.1".into(), port: 0 },
        }
    }

    /// An address of the server's kind that refuses connections as long as the socket beside it lives.
    fn nowhere(&self) -> (Option<OwnedFd>, Address) {
        match self.own_address() {
            address @ Address::Ipc(_) => (None, address),
            _ => {
                let (port, address) = runtime_suite::nowhere();
                (Some(port), address)
            }
        }
    }

    fn report(&self, scenario: &str, start: Instant) {
        println!("{:?} {scenario}: {:?}", self.codec, start.elapsed());
    }
}
