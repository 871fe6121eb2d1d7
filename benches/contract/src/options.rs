//! The command line of contestants.

use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::address::Address;

/// The capabilities of a contestant, beyond small calls over one TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skills {
    /// Unix sockets.
    pub unix: bool,
    /// TLS.
    pub tls: bool,
    /// Payloads.
    pub payload: bool,
    /// More than one connection.
    pub connections: bool,
    /// More than one agent.
    pub agents: bool,
}

impl Skills {
    /// The capabilities of most libraries.
    pub const PEER: Self =
        Self { unix: false, tls: false, payload: true, connections: true, agents: false };

    /// Returns the reason why the contestant cannot use an address, if any.
    fn refuses(self, address: &Address) -> Option<&'static str> {
        match address {
            Address::Unix(_) if !self.unix => Some("it has no Unix sockets"),
            Address::Tls(_) if !self.tls => Some("it does not speak TLS"),
            _ => None,
        }
    }
}

/// The parsed command line of a contestant.
#[derive(Clone, Debug, Parser)]
#[command(about = "One contestant of the benches, as a server or a client.")]
pub struct Options {
    /// The name of the contestant.
    pub contestant: String,
    /// The role of the contestant.
    #[command(subcommand)]
    pub role: Role,
}

/// The roles of a contestant.
#[derive(Clone, Debug, Subcommand)]
pub enum Role {
    /// Serves until the standard input ends.
    Serve(Serve),
    /// Makes calls, and prints a report.
    Call(Load),
    /// Keeps connections open until the standard input ends.
    Hold(Hold),
}

/// The options of a server.
#[derive(Clone, Debug, Args)]
pub struct Serve {
    /// The address to listen at.
    #[arg(long, default_value = "tcp://127.0.0.1:0")]
    pub address: Address,
    /// The number of agents.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub agents: u32,
}

/// The options of a client.
#[derive(Clone, Debug, Args)]
pub struct Load {
    /// The address to call.
    #[arg(long)]
    pub address: Address,
    /// The number of calls in flight on each connection.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub in_flight: u32,
    /// The number of bytes to send and receive; 0 sends a number instead.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=8 << 20))]
    pub payload: u32,
    /// The number of connections.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=16_384))]
    pub connections: u32,
    /// The number of agents to call in turn.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub agents: u32,
    /// The measured time, in seconds.
    #[arg(long, default_value = "1", value_parser = seconds)]
    pub seconds: Duration,
    /// The time of calls before the measured time, in seconds.
    #[arg(long, default_value = "0.2", value_parser = seconds_or_none)]
    pub warmup: Duration,
    /// Make this number of calls, all measured, instead of calling for a time.
    #[arg(long, conflicts_with_all = ["seconds", "warmup"], value_parser = clap::value_parser!(u64).range(1..))]
    pub calls: Option<u64>,
}

/// The options of a holder of connections.
#[derive(Clone, Debug, Args)]
pub struct Hold {
    /// The address to connect to.
    #[arg(long)]
    pub address: Address,
    /// The number of connections.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=16_384))]
    pub connections: u32,
}

fn seconds_or_none(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "it is no number of seconds".to_owned())?;
    if !(0.0..=3600.0).contains(&number) {
        return Err("must be a time of at most one hour, in seconds".into());
    }
    Ok(Duration::from_secs_f64(number))
}

fn seconds(text: &str) -> Result<Duration, String> {
    match seconds_or_none(text) {
        Ok(Duration::ZERO) => Err("the measured time must be above 0".into()),
        other => other,
    }
}

/// Parses the command line, whose first word is the program. `skills` returns the capabilities of a
/// contestant, if it exists.
///
/// # Errors
/// The contestant is unknown, or lacks a required capability.
pub fn parse(
    arguments: impl IntoIterator<Item = std::ffi::OsString>,
    skills: impl FnOnce(&str) -> Option<Skills>,
) -> Result<Options, clap::Error> {
    let options = Options::try_parse_from(arguments)?;
    let refuse = |kind, text: &str| {
        let text = format!("{}: {text}", options.contestant);
        Err(Options::command().error(kind, text))
    };
    let Some(skills) = skills(&options.contestant) else {
        return refuse(ErrorKind::InvalidValue, "there is no such contestant");
    };
    let (address, agents, connections, payload) = match &options.role {
        Role::Serve(serve) => (&serve.address, serve.agents, 1, 0),
        Role::Call(load) => (&load.address, load.agents, load.connections, load.payload),
        Role::Hold(hold) => (&hold.address, 1, hold.connections, 0),
    };
    let refusal = skills
        .refuses(address)
        .or_else(|| (agents > 1 && !skills.agents).then_some("it has only one agent"))
        .or_else(|| {
            (connections > 1 && !skills.connections).then_some("it has only one connection")
        })
        .or_else(|| (payload > 0 && !skills.payload).then_some("it carries no payload"))
        .or_else(|| {
            (agents > 1 && (connections > 1 || payload > 0)).then_some(
                "many agents are called with a number each, over the connection of one container",
            )
        });
    match refusal {
        Some(text) => refuse(ErrorKind::ArgumentConflict, text),
        None => Ok(options),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(arguments: &str) -> String {
        let words = ["program"].into_iter().chain(arguments.split(' ')).map(Into::into);
        let skills = |name: &str| (name == "it").then_some(Skills::PEER);
        match parse(words, skills) {
            Ok(options) => panic!("{arguments} is taken: {options:?}"),
            Err(error) => {
                assert_eq!(error.exit_code(), 2);
                error.to_string()
            }
        }
    }

    #[test]
    fn the_impossible_is_refused() {
        for (arguments, text) in [
            ("they serve", "there is no such contestant"),
            ("it serve --address tls://127.0.0.1:0", "it does not speak TLS"),
            ("it serve --address ipc://[/tmp/a]", "it has no Unix sockets"),
            ("it serve --agents 2", "it has only one agent"),
            ("it serve --agents 0", "0 is not in 1..=1000000"),
            ("it serve --address 127.0.0.1:0", "must be tcp://HOST:PORT"),
            ("it call", "required arguments"),
            ("it call --address tcp://h:1 --in-flight 0", "0 is not in 1..=65536"),
            ("it call --address tcp://h:1 --seconds 0", "must be above 0"),
            ("it call --address tcp://h:1 --seconds nan", "at most one hour"),
            ("it call --address tcp://h:1 --calls 1 --seconds 1", "cannot be used with"),
            ("it call --address tcp://h:1 --calls 0", "0 is not in 1.."),
            ("it call --address tcp://h:1 --payload 8388609", "8388609 is not in"),
            ("it hold --address tcp://h:1", "required arguments"),
        ] {
            let refused = refusal(arguments);
            assert!(refused.contains(text), "{arguments}: {refused}");
        }
    }

    #[test]
    fn the_possible_is_taken() {
        let words = "program it call --address tcp://h:1 --in-flight 64 --seconds 0.5".split(' ');
        let options = parse(words.map(Into::into), |_| Some(Skills::PEER)).expect("valid options");
        let Role::Call(load) = options.role else { panic!("{options:?}") };
        assert_eq!((load.in_flight, load.seconds), (64, Duration::from_millis(500)));
    }
}
