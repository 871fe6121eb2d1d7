//! The agents as a simulator of mosaik: one entity for each turbine.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use aiomas::Container;
use aiomas::manager::ManagerProxy;
use aiomas_mosaik::{
    Arguments, Data, Entity, Inputs, Meta, Model, Mosaik, Outputs, RemoteError, Result, Simulator,
    Time, Value, value,
};
use serde::Deserialize;

use super::common::{check_resolution, next, unknown_attribute};
use crate::agents::{Controller, Gateway, GatewayProxy, Reading, TurbineAgentProxy};
use crate::turbine::Watts;

const MODEL: &str = "TurbineAgent";
/// More than the rated power of any turbine. Sums of this many watts do not overflow.
const MAX_RATED_POWER: Watts = 1_000_000_000_000;

/// A multi-agent system as a simulator. It calls only the gateway.
#[derive(Debug)]
pub(crate) struct Agents {
    /// The container of controller and gateway.
    container: Container,
    /// The managers of the containers with turbines' agents.
    managers: Vec<ManagerProxy>,
    limit: Watts,
    turbines: Vec<TurbineAgentProxy>,
    rated: Vec<Watts>,
    gateway: Option<GatewayProxy>,
    /// The number of each turbine, by its entity id.
    eids: HashMap<String, usize>,
    /// The last decisions of the controller.
    maxima: Vec<Watts>,
    busy: Duration,
}

#[derive(Deserialize)]
struct Params {
    /// The maximum power of the farm, in watts.
    limit: i64,
}

#[derive(Deserialize)]
struct Rated {
    /// The rated power of each turbine, in watts.
    rated_power: Vec<Watts>,
}

impl Agents {
    /// Creates a simulator that spawns the turbines' agents through these managers.
    pub(crate) fn new(container: Container, managers: Vec<ManagerProxy>) -> Self {
        Self {
            container,
            managers,
            limit: 0,
            turbines: Vec::new(),
            rated: Vec::new(),
            gateway: None,
            eids: HashMap::new(),
            maxima: Vec::new(),
            busy: Duration::ZERO,
        }
    }

    /// Returns the reading of the turbine with this number.
    fn reading(&self, inputs: &Inputs, number: usize) -> Result<Reading> {
        let (eid, rated) = (Self::eid(number), self.rated[number]);
        let input = |attr: &str| match inputs.sum(&eid, attr)? {
            Some(power) if power <= rated => Ok(power),
            Some(power) => Err(RemoteError::value_error(format_args!(
                "input \"{attr}\" of \"{eid}\" is {power} W, above the rated power of {rated} W"
            ))),
            None => {
                Err(RemoteError::value_error(format_args!("\"{eid}\" has no input \"{attr}\"")))
            }
        };
        Ok(Reading { power: input("p")?, possible: input("p_possible")? })
    }

    fn eid(number: usize) -> String {
        format!("agent_{number}")
    }
}

impl Simulator for Agents {
    async fn init(
        &mut self,
        _sid: &str,
        time_resolution: f64,
        params: Arguments<'_>,
    ) -> Result<Meta> {
        let Params { limit } = params.parse()?;
        check_resolution(time_resolution)?;
        self.limit = Watts::try_from(limit).ok().filter(|limit| *limit > 0).ok_or_else(|| {
            RemoteError::value_error(format_args!("the limit has to be positive, and is {limit} W"))
        })?;
        let agent = Model::public().params(["rated_power"]).attrs(["p", "p_possible", "p_max"]);
        Ok(Meta::time_based().model(MODEL, agent).extra_methods(["seconds"]))
    }

    async fn create(
        &mut self,
        num: usize,
        model: &str,
        params: Arguments<'_>,
    ) -> Result<Vec<Entity>> {
        let Rated { rated_power } = params.parse()?;
        let are_right = rated_power.iter().all(|power| (1..=MAX_RATED_POWER).contains(power));
        if rated_power.len() != num || !are_right {
            return Err(RemoteError::value_error(format_args!(
                "each of {num} turbines needs a rated power, from 1 to {MAX_RATED_POWER} W"
            )));
        }
        // Start all spawns before waiting for the first one.
        let managers = self.managers.iter().cycle().skip(self.turbines.len());
        let calls = rated_power.iter().zip(managers).map(|(rated_power, manager)| {
            let agent = manager.spawn("TurbineAgent").arg(rated_power);
            agent.send::<(TurbineAgentProxy, String)>()
        });
        let mut entities = Vec::with_capacity(num);
        for call in calls.collect::<Vec<_>>() {
            let (turbine, _url) = call.await?;
            let eid = Self::eid(self.turbines.len());
            self.eids.insert(eid.clone(), self.turbines.len());
            self.turbines.push(turbine);
            entities.push(Entity::new(eid, model));
        }
        self.rated.extend(rated_power);
        Ok(entities)
    }

    async fn setup_done(&mut self, _mosaik: &Mosaik) -> Result<()> {
        let (turbines, managers) = (self.turbines.clone(), self.managers.clone());
        let controller = Controller::new(self.limit, turbines.clone(), self.rated.clone());
        let controller = self.container.spawn(controller)?;
        let gateway = Gateway::new(managers, turbines, controller.proxy());
        self.gateway = Some(self.container.spawn(gateway)?.proxy());
        Ok(())
    }

    async fn step(
        &mut self,
        time: Time,
        inputs: Inputs,
        _max_advance: Time,
        _mosaik: &Mosaik,
    ) -> Result<Option<Time>> {
        let begin = Instant::now();
        let Some(gateway) = &self.gateway else {
            let why = "step() was called before setup_done()";
            return Err(RemoteError::new("RuntimeError", why));
        };
        let readings = (0..self.turbines.len()).map(|number| self.reading(&inputs, number));
        let readings = readings.collect::<Result<Vec<_>>>()?;
        self.maxima = gateway.step(time as f64, readings).await?;
        self.busy += begin.elapsed();
        Ok(Some(next(time)))
    }

    async fn get_data(&mut self, outputs: Outputs) -> Result<Data> {
        let begin = Instant::now();
        let data = outputs.fill(|eid, attr| {
            if attr != "p_max" {
                return Err(unknown_attribute(attr));
            }
            let maximum = self.eids.get(eid).and_then(|number| self.maxima.get(*number));
            Ok((*maximum.ok_or_else(|| RemoteError::new("KeyError", eid))?).into())
        });
        self.busy += begin.elapsed();
        data
    }

    /// Returns the time the agents have taken so far.
    async fn extra_method(
        &mut self,
        _method: &str,
        arguments: Arguments<'_>,
        _mosaik: &Mosaik,
    ) -> Result<Value> {
        arguments.parse::<()>()?;
        value(&self.busy.as_secs_f64())
    }
}
