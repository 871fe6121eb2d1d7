//! A client that tests a server in any language: the mirror of `tests/python/client.py`.
//!
//! Like the program `peer`, it exists twice: on the driver and on the poll loop. A scenario panics
//! if the server misbehaves.

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
    /// Its address.
    pub address: Address,
    /// The codec to use.
    pub codec: Codec,
    /// The user types of both sides.
    pub serializers: Serializers,
    /// The TLS configuration. The poll loop has no TLS.
    pub tls: Option<TlsConfig>,
    /// Whether its agents have an external clock.
    pub external_clock: bool,
}

impl Server {
    /// Runs all tests of a kind against the server, with a client on `runtime`. Returns their
    /// number.
    ///
    /// # Panics
    /// A test fails.
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

    /// Returns the URL of an agent.
    fn url(&self, aid: &str) -> AgentUrl {
        AgentUrl::new(self.address.clone(), aid)
    }

    /// Returns an address for a local endpoint, of the same kind as the server's.
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

    /// Returns an address that refuses connections while the returned socket lives.
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
