//! The program `peer`: the service contract of the Python servers, in Rust.

mod agents;
mod channel;
pub(crate) mod number;
mod rpc;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::str::FromStr;
use std::time::Duration;

use aiomas_core::agent::{Address, AgentUrl, NodeConfig, Refusal, Serve};
use aiomas_core::clock::{Date, DateError, ExternalClock};
use aiomas_core::rpc::ServiceDict;
use serde_json::json;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::pipe;

use crate::host::{Host, Later};
use crate::types::Serializers;

pub(crate) use agents::echo;

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
    /// The user types, in the order of their ids.
    #[arg(long, default_value = "none")]
    pub serializers: Serializers,
    /// The clock of the agents: `real`, or `external:DATE` with the date at time 0.
    #[arg(long, default_value = "real")]
    pub clock: ClockKind,
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
}

impl Kind {
    /// As on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Channel => "channel",
            Self::Rpc => "rpc",
            Self::Agent => "agent",
        }
    }
}

/// Runs the program.
///
/// # Errors
/// It cannot listen, or the event loop fails.
pub fn run(options: &Options) -> io::Result<()> {
    let mut config = NodeConfig::default();
    config.connection.types = options.serializers.types();
    // Clients may vanish in the middle of long calls; nobody waits for these answers.
    config.connection.linger = Duration::from_secs(1);
    let serve = match options.kind {
        Kind::Channel => Serve::Content,
        Kind::Rpc => Serve::Service(Box::new(rpc::root())),
        Kind::Agent => Serve::Agents,
    };
    let mut host = Host::bind(&options.addr, config, serve)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", options.addr)))?;
    if let ClockKind::External(start) = options.clock {
        host.clock = ExternalClock::new(start, 0.0).map_err(io::Error::other)?.into();
    }
    let mut agents = BTreeMap::new();
    if options.kind == Kind::Agent {
        agents = spawn_all(&mut host).map_err(io::Error::other)?;
    }

    let end = End::new()?;
    let ready = json!({"ready": {"addr": host.address().to_string(), "agents": agents}});
    // `println` would panic if nobody reads.
    writeln!(io::stdout(), "{ready}")?;
    io::stdout().flush()?;
    loop {
        if host.turn(&end.fds(), None)? && end.has_come()? {
            return Ok(());
        }
        while let Some((ticket, content)) = host.next_request() {
            channel::answer(&mut host, ticket, &content);
        }
    }
}

fn spawn_all(host: &mut Host) -> Result<BTreeMap<&'static str, String>, Refusal> {
    let mut urls = BTreeMap::new();
    for (name, make) in
        [("Echo", echo as MakeAgent), ("Caller", agents::caller), ("Clock", agents::clock)]
    {
        urls.insert(name, host.spawn(make)?.to_string());
    }
    Ok(urls)
}

/// Makes an agent for a host, which is going to have this URL.
type MakeAgent = fn(&Host, &AgentUrl) -> ServiceDict<Later>;

/// The end of a program: a signal, or the end of its standard input.
struct End {
    signals: UnixStream,
    stdin: Option<File>,
}

impl End {
    fn new() -> io::Result<Self> {
        let (signals, sender) = UnixStream::pair()?;
        signals.set_nonblocking(true)?;
        pipe::register(SIGTERM, sender.try_clone()?)?;
        pipe::register(SIGINT, sender)?;

        let is_terminal = io::stdin().is_terminal();
        // A file, or /dev/null, has its end from the beginning: it says nothing.
        let stdin = io::stdin().as_fd().try_clone_to_owned().map(File::from).ok().filter(|stdin| {
            let kind = stdin.metadata().map(|metadata| metadata.file_type());
            is_terminal || kind.is_ok_and(|kind| kind.is_fifo() || kind.is_socket())
        });
        Ok(Self { signals, stdin })
    }

    fn fds(&self) -> Vec<BorrowedFd<'_>> {
        let stdin = self.stdin.as_ref().map(AsFd::as_fd);
        [self.signals.as_fd()].into_iter().chain(stdin).collect()
    }

    /// One of the descriptors is readable: is this the end?
    fn has_come(&self) -> io::Result<bool> {
        match (&self.signals).read(&mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            read => return read.map(|_| true),
        }
        // No signal, so it must have been standard input.
        match &self.stdin {
            Some(stdin) => {
                let mut stdin: &File = stdin;
                Ok(stdin.read(&mut [0; 1024])? == 0)
            }
            None => Ok(false),
        }
    }
}
