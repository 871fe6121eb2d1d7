//! The agent that keeps the farm below its limit.

use aiomas::{Context, agent};
use aiomas_core::wire::RemoteError;

use super::error::AgentError;
use super::turbine::TurbineAgentProxy;
use crate::rule::share;
use crate::turbine::Watts;

/// Sets the maximum power of each turbine.
#[derive(Debug)]
pub(crate) struct Controller {
    limit: Watts,
    turbines: Vec<TurbineAgentProxy>,
    rated: Vec<Watts>,
    /// Whether the turbines have maxima.
    controls: bool,
}

#[agent(proxy = pub(crate) ControllerProxy)]
impl Controller {
    pub(crate) const fn new(
        limit: Watts,
        turbines: Vec<TurbineAgentProxy>,
        rated: Vec<Watts>,
    ) -> Self {
        Self { limit, turbines, rated, controls: false }
    }

    /// Collects the readings of all turbines, and sets their maxima for the next step. Returns the
    /// maxima in the order of the turbines.
    #[expose]
    async fn control(&mut self, #[context] ctx: &Context) -> Result<Vec<Watts>, RemoteError> {
        let now = ctx.clock()?.time();
        // Start all calls before waiting for the first answer.
        let calls: Vec<_> = self.turbines.iter().map(TurbineAgentProxy::feed_in).collect();
        let (mut power, mut possible) = (0, Vec::with_capacity(calls.len()));
        for (turbine, call) in calls.into_iter().enumerate() {
            let (of, reading) = call.await?;
            if of != now {
                return Err(AgentError::OldReading { turbine, of, now }.into());
            }
            power += reading.power;
            possible.push(reading.possible);
        }
        if self.controls && power > self.limit {
            return Err(AgentError::Disobeyed { power, limit: self.limit }.into());
        }
        let maxima = share(self.limit, &possible, &self.rated);
        let calls = self.turbines.iter().zip(maxima);
        let calls: Vec<_> = calls.map(|(turbine, power)| turbine.set_maximum(power)).collect();
        let mut accepted = Vec::with_capacity(calls.len());
        for call in calls {
            accepted.push(call.await?);
        }
        self.controls = true;
        Ok(accepted)
    }
}
