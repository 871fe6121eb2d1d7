//! What can go wrong among agents.

use aiomas_core::wire::RemoteError;

use crate::turbine::Watts;

/// Why agents do not go on.
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

/// What callers are told. Other agents' errors pass through as they are.
impl From<AgentError> for RemoteError {
    fn from(error: AgentError) -> Self {
        Self::new("AgentError", error)
    }
}
