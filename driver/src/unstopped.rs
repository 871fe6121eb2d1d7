//! Agents that have not stopped as they should.

use std::fmt;
use std::time::Duration;

use aiomas_core::agent::AgentUrl;
use aiomas_core::wire::RemoteError;

/// An agent whose `#[on_stop]` has not run to its end: see [`Error::NotStopped`](super::Error::NotStopped).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct UnstoppedAgent {
    /// The agent.
    pub url: AgentUrl,
    /// The name of the agent's type.
    pub type_name: Box<str>,
    /// Why not.
    pub why: StopFailure,
}

/// Why an agent has not stopped.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StopFailure {
    /// `#[on_stop]` has not even begun: calls to the agent, or its `#[on_start]`, still ran when the time was over.
    #[error("it was still busy after {after:?} (`Builder::drain`), so its #[on_stop] did not run")]
    Busy {
        /// The time that agents have to stop.
        after: Duration,
    },
    /// `#[on_stop]` has begun, and still ran when the time was over. It was dropped where it waited.
    #[error("its #[on_stop] took longer than {after:?} (`Builder::drain`)")]
    TimedOut {
        /// The time that agents have to stop.
        after: Duration,
    },
    /// The container was shut down with [`Close::Now`](aiomas_core::connection::Close::Now), which does not wait for
    /// `#[on_stop]`: it goes on by itself.
    #[error("its #[on_stop] goes on, for `Close::Now` does not wait for it")]
    NotAwaited,
    /// `#[on_stop]` has failed, or has panicked.
    #[error("its #[on_stop] failed: {0}")]
    Failed(RemoteError),
    /// The runtime has ended before `#[on_stop]` did.
    #[error("the runtime has ended before its #[on_stop]; shut the container down first")]
    RuntimeEnded,
}

/// How many agents a text names.
const NAMED: usize = 8;

/// The text of [`Error::NotStopped`](super::Error::NotStopped).
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
