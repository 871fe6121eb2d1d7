//! The program `peer`: the service contract of the Python servers, in Rust.
//!
//! It is written twice: on the poll loop, with nothing but the core, and on the driver with the macros, for
//! whichever async runtime.

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
    /// What to offer.
    pub kind: Kind,
    /// Where to listen: `tcp://HOST:PORT` (0 is any free port) or `ipc://[PATH]`.
    #[arg(long, default_value = "tcp://127.0.0.1:0")]
    pub addr: Address,
    /// A codec to speak to all, in place of that which each client speaks.
    #[arg(long, value_parser = named)]
    pub codec: Option<Codec>,
    /// The user types, in the order of their ids.
    #[arg(long, default_value = "none")]
    pub serializers: Serializers,
    /// What to run on.
    #[arg(long, default_value = "poll")]
    pub runtime: RuntimeKind,
    /// The clock of the agents: `real`, or `external:DATE` with the date at time 0.
    #[arg(long, default_value = "real")]
    pub clock: ClockKind,
    /// With what to speak TLS.
    #[command(flatten)]
    pub tls: TlsFiles,
}

/// Which clock the agents have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockKind {
    /// That of the world.
    Real,
    /// One that starts with this date, and then is set by calls.
    External(Date),
}

impl FromStr for ClockKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.strip_prefix("external:") {
            Some(date) => date.parse().map(Self::External).map_err(|e: DateError| e.to_string()),
            None if text == "real" => Ok(Self::Real),
            None => Err("it is neither `real` nor `external:DATE`".to_owned()),
        }
    }
}

/// How long answers may still be written to a client that is gone: it may have vanished in the middle of long
/// calls, and nobody waits for these.
const LINGER: Duration = Duration::from_secs(1);

/// The longest string or list that is made when asked for, in bytes or items.
const MAX_SIZE: usize = 64 << 20;

/// What a peer offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// A channel that replies with what it gets.
    Channel,
    /// A tree of services.
    Rpc,
    /// A container with agents.
    Agent,
    /// A container with a manager, which makes agents, and ends the program when it is told to stop.
    Manager,
}

impl Kind {
    /// As on the command line.
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
/// It cannot listen, or the system fails it otherwise.
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

/// Tells whoever has started the program where it listens.
fn say_ready(address: &Address, agents: &Agents) -> io::Result<()> {
    let ready = json!({"ready": {"addr": address.to_string(), "agents": agents}});
    // `println` would panic if nobody reads.
    writeln!(io::stdout(), "{ready}")?;
    io::stdout().flush()
}

/// What every agent and the root service fail with when asked to.
fn fail(message: String) -> Result<(), RemoteError> {
    Err(RemoteError::value_error(message))
}
