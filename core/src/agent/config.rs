//! The settings of a container.

use std::time::Duration;

use super::retry::Backoff;

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
    /// How long [`RetryLimit::Once`](super::RetryLimit::Once) waits for the peer to say whether there is an agent. Default: 30 s.
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
