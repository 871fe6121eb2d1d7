//! Errors of agents.

use aiomas_core::wire::RemoteError;

use crate::turbine::Watts;

/// An error of an agent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentError {
    #[error("the reading of turbine {turbine} is of {of} s, and not of {now} s")]
    OldReading { turbine: usize, of: f64, now: f64 },
    #[error("nothing is measured yet")]
    NoReading,
    #[error("the farm feeds in {power} W, though its turbines may feed in {limit} W")]
    Disobeyed { power: Watts, limit: Watts },
    #[error("{readings} readings of {turbines} turbines")]
    Readings { readings: usize, turbines: usize },
}

/// Converts an error for the caller. Errors of other agents pass through unchanged.
impl From<AgentError> for RemoteError {
    fn from(error: AgentError) -> Self {
        Self::new("AgentError", error)
    }
}
