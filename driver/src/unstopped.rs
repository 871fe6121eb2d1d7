//! Agents that did not stop properly.

use std::fmt;
use std::time::Duration;

use aiomas_core::agent::AgentUrl;
use aiomas_core::wire::RemoteError;

/// An agent whose `#[on_stop]` did not complete: see [`Error::NotStopped`](super::Error::NotStopped).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct UnstoppedAgent {
    /// The agent.
    pub url: AgentUrl,
    /// The name of the agent's type.
    pub type_name: Box<str>,
    /// The cause.
    pub why: StopFailure,
}

/// Why an agent did not stop.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StopFailure {
    /// `#[on_stop]` did not start: calls to the agent, or its `#[on_start]`, still ran at the time limit.
    #[error("it was still busy after {after:?} (`Builder::drain`), so its #[on_stop] did not run")]
    Busy {
        /// The time limit for agents to stop.
        after: Duration,
    },
    /// `#[on_stop]` started, but still ran at the time limit. It was dropped at an await.
    #[error("its #[on_stop] took longer than {after:?} (`Builder::drain`)")]
    TimedOut {
        /// The time limit for agents to stop.
        after: Duration,
    },
    /// The container was shut down with [`Close::Now`](aiomas_core::connection::Close::Now), which does not wait for
    /// `#[on_stop]`: the hook goes on by itself.
    #[error("its #[on_stop] goes on, for `Close::Now` does not wait for it")]
    NotAwaited,
    /// `#[on_stop]` failed or panicked.
    #[error("its #[on_stop] failed: {0}")]
    Failed(RemoteError),
    /// The runtime ended before `#[on_stop]` did.
    #[error("the runtime has ended before its #[on_stop]; shut the container down first")]
    RuntimeEnded,
}

/// The number of agents that a text names.
const NAMED: usize = 8;

/// Prints the text of [`Error::NotStopped`](super::Error::NotStopped).
pub(super) struct Unstopped<'a>(pub(super) &'a [UnstoppedAgent]);

impl fmt::Display for Unstopped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(agents) = self;
        let plural = if agents.len() == 1 { " has" } else { "s have" };
        write!(f, "{} agent{plural} not stopped: ", agents.len())?;
        for (index, agent) in agents.iter().take(NAMED).enumerate() {
            let separator = if index > 0 { "; " } else { "" };
            write!(f, "{separator}{}('{}'): {}", agent.type_name, agent.url, agent.why)?;
        }
        match agents.len().checked_sub(NAMED) {
            Some(more @ 1..) => write!(f, "; and {more} more"),
            _ => Ok(()),
        }
    }
}
