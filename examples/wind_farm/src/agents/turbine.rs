//! The agent of a turbine.

use aiomas::{Context, agent};
use aiomas_core::wire::RemoteError;
use serde::{Deserialize, Serialize};

use super::error::AgentError;
use crate::turbine::Watts;

/// A reading of a turbine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reading {
    /// The power it feeds in.
    pub(crate) power: Watts,
    /// The power it could feed in.
    pub(crate) possible: Watts,
}

/// Keeps the last reading of its turbine, and the turbine's maximum power.
#[derive(Debug)]
pub(crate) struct TurbineAgent {
    rated_power: Watts,
    /// The last reading, and its time.
    reading: Option<(f64, Reading)>,
}

#[agent(proxy = pub(crate) TurbineAgentProxy)]
impl TurbineAgent {
    pub(crate) const fn new(rated_power: Watts) -> Self {
        Self { rated_power, reading: None }
    }

    /// Stores the current reading of the turbine.
    #[expose]
    fn measured(&mut self, reading: Reading, #[context] ctx: &Context) -> Result<(), RemoteError> {
        self.reading = Some((ctx.clock()?.time(), reading));
        Ok(())
    }

    /// Returns the last reading and its time.
    #[expose]
    fn feed_in(&self) -> Result<(f64, Reading), RemoteError> {
        Ok(self.reading.ok_or(AgentError::NoReading)?)
    }

    /// Sets the maximum power of the turbine. Returns the effective maximum, at most the rated
    /// power.
    #[expose]
    fn set_maximum(&self, power: Watts) -> Watts {
        power.min(self.rated_power)
    }
}
