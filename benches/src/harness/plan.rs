//! The plan of measurements: modes and transports.

use aiomas_bench_contract::Skills;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// The transport between clients and servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Way {
    Tcp,
    Unix,
    Tls,
}

impl Way {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Unix => "Unix sockets",
            Self::Tls => "TLS",
        }
    }

    /// Returns the transport of the limit to compare with, which has no TLS.
    pub(crate) const fn of_limit(self) -> Self {
        match self {
            Self::Tls => Self::Tcp,
            way => way,
        }
    }
}

/// The calls of a mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Calls {
    pub(crate) in_flight: u32,
    pub(crate) payload: u32,
    pub(crate) connections: u32,
    pub(crate) agents: u32,
}

/// The work of a mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Does {
    /// Calls for a time.
    Calls(Calls),
    /// Opens this number of idle connections, and makes calls over another one before and after.
    Idle(u32),
    /// Spawns this number of idle agents.
    Spawn(u32),
}

/// A mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mode {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) does: Does,
}

const fn calls(
    name: &'static str,
    what: &'static str,
    [in_flight, payload, connections, agents]: [u32; 4],
) -> Mode {
    Mode { name, what, does: Does::Calls(Calls { in_flight, payload, connections, agents }) }
}

/// All modes.
pub(crate) const MODES: [Mode; 10] = [
    calls("seq", "1 call in flight", [1, 0, 1, 1]),
    calls("pipe64", "64 calls in flight", [64, 0, 1, 1]),
    calls("pipe1024", "1,024 calls in flight", [1024, 0, 1, 1]),
    calls("bulk64k", "64 KiB there and back, 8 calls in flight", [8, 64 << 10, 1, 1]),
    calls("bulk1m", "1 MiB there and back, 8 calls in flight", [8, 1 << 20, 1, 1]),
    calls("conns1000", "1,000 connections, 1 call in flight on each", [1, 0, 1000, 1]),
    calls("agents1000", "calls into 1,000 agents, 64 in flight", [64, 0, 1, 1000]),
    calls("agents100000", "calls into 100,000 agents, 64 in flight", [64, 0, 1, 100_000]),
    Mode { name: "idle10000", what: "10,000 idle connections", does: Does::Idle(10_000) },
    Mode { name: "spawn100000", what: "100,000 idle agents", does: Does::Spawn(100_000) },
];

impl Mode {
    /// Returns the mode of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        MODES.into_iter().find(|mode| mode.name == name)
    }

    /// Returns whether a contestant with these capabilities supports the mode.
    pub(crate) fn fits(&self, skills: Skills, way: Way) -> bool {
        let goes = match way {
            Way::Tcp => true,
            Way::Unix => skills.unix,
            Way::Tls => skills.tls,
        };
        goes && match self.does {
            Does::Calls(calls) => {
                (calls.payload == 0 || skills.payload)
                    && (calls.connections == 1 || skills.connections)
                    && (calls.agents == 1 || skills.agents)
            }
            Does::Idle(_) => skills.connections,
            // This mode uses no transport.
            Does::Spawn(_) => skills.agents && way == Way::Tcp,
        }
    }

    /// Divides the numbers of connections and agents by `scale`, for smoke tests.
    pub(crate) fn scaled(mut self, scale: u32) -> Self {
        match &mut self.does {
            Does::Calls(Calls { connections, agents, .. }) => {
                for number in [connections, agents] {
                    *number = (*number / scale).max((*number).min(2));
                }
            }
            Does::Idle(number) | Does::Spawn(number) => *number = (*number / scale).max(2),
        }
        self
    }
}

/// Selects the items whose names begin with one of the prefixes.
///
/// # Errors
/// A prefix matches no item.
pub(crate) fn select<T: Clone>(
    list: &[String],
    all: &[T],
    name: impl Fn(&T) -> &str,
) -> Result<Vec<T>, String> {
    let begins = |item: &&T, wish: &str| name(item).starts_with(wish);
    for wish in list {
        if wish.is_empty() || !all.iter().any(|item| begins(&item, wish)) {
            let names: Vec<_> = all.iter().map(name).collect();
            return Err(format!("no name begins with \"{wish}\"; there are {}", names.join(", ")));
        }
    }
    // An exact match excludes longer names.
    let means = |item: &&T| {
        list.iter().any(|wish| match all.iter().any(|other| name(other) == wish) {
            true => name(item) == wish,
            false => begins(item, wish),
        })
    };
    Ok(all.iter().filter(means).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_beginnings() {
        let all = ["pipe6", "pipe64", "seq"];
        let chosen = |list: &[&str]| {
            let list: Vec<String> = list.iter().map(|&wish| wish.to_owned()).collect();
            select(&list, &all, |name| name)
        };
        assert_eq!(chosen(&["pipe"]), Ok(vec!["pipe6", "pipe64"]));
        assert_eq!(chosen(&["pipe6", "s"]), Ok(vec!["pipe6", "seq"]));
        assert!(chosen(&["seq", "bulk"]).is_err_and(|error| error.contains("\"bulk\"")));
        assert!(chosen(&[""]).is_err());
    }

    #[test]
    fn scaled_modes_are_of_the_same_kind() {
        for mode in MODES {
            let (small, one) = (mode.scaled(1_000_000), mode.scaled(1));
            assert_eq!(one, mode);
            for skills in [Skills::PEER, Skills { connections: false, ..Skills::PEER }] {
                assert_eq!(small.fits(skills, Way::Tcp), mode.fits(skills, Way::Tcp));
            }
        }
    }
}
