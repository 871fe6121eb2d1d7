//! The settings of a container.

use std::time::{Duration, Instant};

/// For how long [`Container::connect`](super::Container::connect) tries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Patience {
    /// One attempt to open a connection, bounded by [`ContainerConfig::dial_timeout`], and one answer,
    /// bounded by [`ContainerConfig::validate_timeout`]. aiomas' `timeout=0`, its default.
    #[default]
    Once,
    /// Until this time has passed since the call, whatever is under way then. aiomas' `timeout=n`,
    /// except that aiomas looks at the time only when an attempt has failed.
    Until(Duration),
    /// Until the container is shut down. aiomas' `timeout=None`.
    Forever,
}

impl Patience {
    /// When it is over, if ever. `Once` says: now, for whoever is not being served already.
    pub(super) fn over(self, now: Instant) -> Option<Instant> {
        match self {
            Self::Once => Some(now),
            Self::Until(time) => now.checked_add(time),
            Self::Forever => None,
        }
    }
}

/// How long to wait between attempts to open a connection. The wait grows by half each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backoff {
    /// The wait after the first attempt. 0.5 s as in aiomas; taken as 1 ms if it is shorter.
    pub first: Duration,
    /// The longest wait. 30 s as in aiomas.
    pub max: Duration,
    /// By up to how many percent a wait is shortened at random, so that containers which lost the same
    /// peer do not come back at the same moment. 0 as in aiomas.
    pub jitter_percent: u8,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(500), max: Duration::from_secs(30), jitter_percent: 0 }
    }
}

/// Limits and times of a container's own doings. What its peers can do is bounded by
/// [`Limits`](crate::connection::Limits).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContainerConfig {
    /// How many agents may live in it. Default: 1,000,000.
    pub max_agents: usize,
    /// How many calls of `connect` may be under way. Default: 65,536.
    pub max_waiters: usize,
    /// How many connections it opens, counting those that it tries to. Default: 16,384.
    pub max_dialled: usize,
    /// How many agents it remembers for each connection that it opened. When there are more, all are
    /// forgotten, which costs a question to the peer each. Default: 65,536.
    pub max_known: usize,
    /// After which time an attempt to open a connection has failed. Default: 10 s; at least 1 ms.
    pub dial_timeout: Duration,
    /// How long [`Patience::Once`] waits for the peer to say whether there is an agent. Default: 30 s.
    pub validate_timeout: Duration,
    /// The waits between attempts to open a connection.
    pub backoff: Backoff,
}

impl Default for ContainerConfig {
    fn default() -> Self {
        Self {
            max_agents: 1_000_000,
            max_waiters: 65_536,
            max_dialled: 16_384,
            max_known: 65_536,
            dial_timeout: Duration::from_secs(10),
            validate_timeout: Duration::from_secs(30),
            backoff: Backoff::default(),
        }
    }
}
