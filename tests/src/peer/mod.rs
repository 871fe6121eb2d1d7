//! The program `peer`: the service contract of the Python servers, in Rust.
//!
//! It exists twice: on the poll loop, with only the core, and on the driver with the macros, for
//! any async runtime.

pub(crate) mod driver;
mod end;
pub(crate) mod manager;
pub(crate) mod number;
pub(crate) mod poll;

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Write};
use std::str::FromStr;
use std::time::Duration;

use aiomas_async_std::AsyncStd;
use aiomas_core::agent::Address;
use aiomas_core::clock::{Date, DateError};
use aiomas_core::wire::{Codec, RemoteError};
use aiomas_smol::Smol;
use aiomas_tokio::Tokio;
use serde_json::json;

use crate::codecs::named;
use crate::runtimes::{RuntimeKind, on_tokio};
use crate::tls_files::TlsFiles;
use crate::types::Serializers;

/// The command line.
#[derive(Clone, Debug, clap::Parser)]
#[command(
    name = "peer",
    about = "Offers the test services until standard input ends or SIGTERM comes"
)]
pub struct Options {
    /// The services to offer.
    pub kind: Kind,
    /// The address to listen at: `tcp://HOST:PORT` (0 is any free port) or `ipc://[PATH]`.
    #[arg(long, default_value = "tcp://127.0.0.1:0")]
    pub addr: Address,
    /// A codec for all clients, instead of each client's own.
    #[arg(long, value_parser = named)]
    pub codec: Option<Codec>,
    /// The user types, in the order of their ids.
    #[arg(long, default_value = "none")]
    pub serializers: Serializers,
    /// The runtime.
    #[arg(long, default_value = "poll")]
    pub runtime: RuntimeKind,
    /// The clock of the agents: `real`, or `external:DATE` with the date at time 0.
    #[arg(long, default_value = "real")]
    pub clock: ClockKind,
    /// The TLS files.
    #[command(flatten)]
    pub tls: TlsFiles,
}

/// The clock of the agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockKind {
    /// The wall clock.
    Real,
    /// An external clock that starts with this date, and then is set by calls.
    External(Date),
}

impl FromStr for ClockKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("external:") {
            Some(date) => date.parse().map(Self::External).map_err(|e: DateError| e.to_string()),
            None if text == "real" => Ok(Self::Real),
            None => Err("must be `real` or `external:DATE`".to_owned()),
        }
    }
}

/// The time for writing answers to a client that is gone. A client may disconnect in the middle of
/// long calls, whose answers have no receiver.
const LINGER: Duration = Duration::from_secs(1);

/// The maximum size of a requested string or list, in bytes or items.
const MAX_SIZE: usize = 64 << 20;

/// The services of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// A channel that echoes.
    Channel,
    /// A tree of services.
    Rpc,
    /// A container with agents.
    Agent,
    /// A container with a manager, which spawns agents, and stops the program on request.
    Manager,
}

impl Kind {
    /// Returns the name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::Rpc => "rpc",
            Self::Agent => "agent",
            Self::Manager => "manager",
        }
    }
}

/// The agents' URLs, by their types.
type Agents = BTreeMap<&'static str, String>;

/// Runs the program.
///
/// # Errors
/// The program cannot listen, or a system call fails.
pub fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    match options.runtime {
        RuntimeKind::Poll if options.tls.config()?.is_some() => {
            Err("the poll loop does not speak TLS".into())
        }
        RuntimeKind::Poll => Ok(poll::run(options)?),
        RuntimeKind::Tokio => on_tokio(driver::run(Tokio::default(), options)),
        RuntimeKind::AsyncStd => {
            async_std::task::block_on(driver::run(AsyncStd::default(), options))
        }
        RuntimeKind::Smol => smol::block_on(driver::run(Smol::default(), options)),
    }
}

/// Prints the address for the parent process.
fn say_ready(address: &Address, agents: &Agents) -> io::Result<()> {
    let ready = json!({"ready": {"addr": address.to_string(), "agents": agents}});
    // `println` would panic without a reader.
    writeln!(io::stdout(), "{ready}")?;
    io::stdout().flush()
}

/// Returns the failure that every agent and the root service raise on request.
fn fail(message: String) -> Result<(), RemoteError> {
    Err(RemoteError::value_error(message))
}
