//! The agent of a turbine.

use aiomas::{Context, agent};
use aiomas_core::wire::RemoteError;
use serde::{Deserialize, Serialize};

use super::error::AgentError;
use crate::turbine::Watts;

/// What a turbine measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reading {
    /// What it feeds in.
    pub(crate) power: Watts,
    /// What it could.
    pub(crate) possible: Watts,
}

/// Knows what its turbine measures, and how much it may feed in.
#[derive(Debug)]
pub(crate) struct TurbineAgent {
    rated_power: Watts,
    /// The last reading, and the time at which it came.
    reading: Option<(f64, Reading)>,
}

#[agent(proxy = pub(crate) TurbineAgentProxy)]
impl TurbineAgent {
    pub(crate) const fn new(rated_power: Watts) -> Self {
        Self { rated_power, reading: None }
    }

    /// Takes what the turbine measures now.
    #[expose]
    fn measured(&mut self, reading: Reading, #[context] ctx: &Context) -> Result<(), RemoteError> {
        self.reading = Some((ctx.clock()?.time(), reading));
        Ok(())
    }

    /// The last reading, and when that was.
    #[expose]
    fn feed_in(&self) -> Result<(f64, Reading), RemoteError> {
        Ok(self.reading.ok_or(AgentError::NoReading)?)
    }

    /// Sets the most that the turbine may feed in. Returns what it will keep to, which never is above its rated power.
    #[expose]
    fn set_maximum(&self, power: Watts) -> Watts {
        power.min(self.rated_power)
    }
}
