//! The settings of a container.

use std::time::Duration;

use super::retry::Backoff;

/// Limits and timeouts of a container's own actions.
///
/// [`Limits`](crate::connection::Limits) bound the actions of its peers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContainerConfig {
    /// How many agents the container may host. Default: 1,000,000.
    pub max_agents: usize,
    /// How many calls of `connect` may be pending. Default: 65,536.
    pub max_waiters: usize,
    /// How many connections the container opens, including attempts. Default: 16,384.
    pub max_dialled: usize,
    /// How many agents the container caches for each connection that it opened. Default: 65,536.
    ///
    /// When a further agent is found, the cache is emptied, at the cost of one question to the peer per agent.
    pub max_known: usize,
    /// The time limit of an attempt to open a connection. Default: 10 s; at least 1 ms.
    pub dial_timeout: Duration,
    /// How long [`RetryLimit::Once`](super::RetryLimit::Once) waits for the answer whether an agent exists. Default: 30
    /// s.
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
