//! The agent between mosaik and the other agents.

use aiomas::manager::{self, ManagerProxy};
use aiomas::{Context, agent};
use aiomas_core::wire::RemoteError;

use super::controller::ControllerProxy;
use super::error::AgentError;
use super::turbine::{Reading, TurbineAgentProxy};
use crate::turbine::Watts;

/// Passes readings to the turbines' agents, and returns the decisions of the controller.
#[derive(Debug)]
pub(crate) struct Gateway {
    /// The managers of all containers with turbines' agents.
    managers: Vec<ManagerProxy>,
    turbines: Vec<TurbineAgentProxy>,
    controller: ControllerProxy,
}

#[agent(proxy = pub(crate) GatewayProxy)]
impl Gateway {
    pub(crate) const fn new(
        managers: Vec<ManagerProxy>,
        turbines: Vec<TurbineAgentProxy>,
        controller: ControllerProxy,
    ) -> Self {
        Self { managers, turbines, controller }
    }

    /// Runs a step of the agents. It sets the clocks of all containers to mosaik's time, in
    /// seconds, sends each agent the reading of its turbine, and lets the controller decide.
    /// Readings and maxima are in the order of the turbines.
    #[expose]
    async fn step(
        &self,
        time: f64,
        readings: Vec<Reading>,
        #[context] ctx: &Context,
    ) -> Result<Vec<Watts>, RemoteError> {
        let turbines = self.turbines.len();
        if readings.len() != turbines {
            return Err(AgentError::Readings { readings: readings.len(), turbines }.into());
        }
        let clock = ctx.clock()?;
        // Clocks begin at 0, and cannot be set to their current time.
        if time > clock.time() {
            clock.set_time(time)?;
            manager::set_time(&self.managers, time).await?;
        }
        let calls = self.turbines.iter().zip(readings);
        let calls: Vec<_> = calls.map(|(turbine, reading)| turbine.measured(reading)).collect();
        for call in calls {
            call.await?;
        }
        Ok(self.controller.control().await?)
    }
}
