//! The run without mosaik and Python: the same simulators in a simulated network, driven by Rust.

use std::collections::BTreeMap;
use std::time::Duration;

use aiomas::manager::{Manager, ManagerProxy};
use aiomas_core::wire::{Codec, CodecContext, Value};
use aiomas_mosaik::{Data, Entity, Outputs, Server, Time, proxy};
use aiomas_sim::{Host, Link, Runtime, Sim};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::agents::{factories, start};
use crate::day::Day;
use crate::error::Error;
use crate::simulators::{Agents, Turbines};
use crate::step::Step;
use crate::turbine::Watts;
use crate::wind::{STEP, Wind};

const ATTRIBUTES: [&str; 4] = ["wind", "p_possible", "p_max", "p"];

/// A scenario.
#[derive(Debug)]
pub(crate) struct Simulation {
    pub(crate) wind: Wind,
    pub(crate) turbines: usize,
    pub(crate) limit: Watts,
    /// The number of hosts for the turbines' agents.
    pub(crate) children: usize,
    /// The seed of the order of concurrent events.
    pub(crate) seed: u64,
}

impl Simulation {
    /// Runs the scenario.
    pub(crate) fn run(self, day: &mut Day) -> Result<(), Error> {
        let link = Link::new().latency(Duration::from_millis(1));
        let sim = Sim::builder(self.seed).link(link).max_polls(u64::MAX).build();
        sim.block_on(self.scenario(&sim, day))
    }

    /// Does the same as `scenario.py`.
    async fn scenario(self, sim: &Sim, day: &mut Day) -> Result<(), Error> {
        start_turbines(&sim.host("turbines"), self.wind).await?;
        start_agents(sim, self.children).await?;

        let mosaik = sim.host("mosaik");
        let connected = proxy::connect(mosaik.channel(), "tcp://turbines:4711").await?;
        let mut turbines = connected.init("Turbines", 1.0, &(), ()).await?;
        let connected = proxy::connect(mosaik.channel(), "tcp://agents:4711").await?;
        let mut agents = connected.init("Agents", 1.0, &json!({"limit": self.limit}), ()).await?;

        let entities = turbines.create(self.turbines, "Turbine", &()).await?;
        let info = entities.iter().map(|turbine| turbine.extra_info.as_ref());
        let rated = info.map(|info| info.and_then(|info| info.get("rated_power")).cloned());
        let mut maxima: Vec<Value> = rated.map(Option::unwrap_or_default).collect();
        let params = BTreeMap::from([("rated_power", &maxima)]);
        let watchers = agents.create(self.turbines, "TurbineAgent", &params).await?;
        let pairs = entities.into_iter().zip(watchers);
        let pairs: Vec<_> = pairs.map(|(turbine, agent)| Pair::new(turbine, agent)).collect();
        turbines.setup_done().await?;
        agents.setup_done().await?;

        let turbines_data =
            pairs.iter().flat_map(|pair| ATTRIBUTES.map(|attr| (&pair.turbine, attr)));
        let turbines_data: Outputs = turbines_data.collect();
        let agents_data: Outputs = pairs.iter().map(|pair| (&pair.agent, "p_max")).collect();
        let until = Time::from(STEP) * day.steps() as Time;
        let mut time = 0;
        while time < until {
            let inputs = pairs.iter().zip(maxima);
            let inputs = inputs.map(|(p, maximum)| (&p.turbine, "p_max", &p.from_agent, maximum));
            let next = turbines.step(time, &inputs.collect(), until).await?;
            let data = turbines.get_data(&turbines_data).await?;
            day.add(&Pair::step(&pairs, time, &data)?)?;

            let inputs = pairs.iter().flat_map(|pair| pair.measured(&data));
            agents.step(time, &inputs.collect(), until).await?;
            let data = agents.get_data(&agents_data).await?;
            maxima = pairs.iter().map(|pair| get(&data, &pair.agent, "p_max")).collect();
            time = next.unwrap_or(until);
        }
        turbines.stop().await?;
        agents.stop().await?;
        Ok(())
    }
}

/// A turbine and its agent, with their names in each other's inputs.
#[derive(Debug)]
struct Pair {
    turbine: String,
    agent: String,
    from_turbine: String,
    from_agent: String,
}

impl Pair {
    fn new(turbine: Entity, agent: Entity) -> Self {
        let from_turbine = format!("Turbines.{}", turbine.eid);
        let from_agent = format!("Agents.{}", agent.eid);
        Self { turbine: turbine.eid, agent: agent.eid, from_turbine, from_agent }
    }

    /// Returns the values of the turbine that its agent receives.
    fn measured(&self, data: &Data) -> [(&str, &'static str, &str, Value); 2] {
        ["p", "p_possible"]
            .map(|attr| (&*self.agent, attr, &*self.from_turbine, get(data, &self.turbine, attr)))
    }

    /// Returns the record of a step.
    fn step(pairs: &[Self], time: Time, data: &Data) -> Result<Step, Error> {
        Ok(Step {
            time: time.unsigned_abs(),
            wind: Self::values(pairs, data, "wind")?,
            p_possible: Self::values(pairs, data, "p_possible")?,
            p_max: Self::values(pairs, data, "p_max")?,
            p: Self::values(pairs, data, "p")?,
        })
    }

    fn values<T: DeserializeOwned>(
        pairs: &[Self],
        data: &Data,
        attr: &str,
    ) -> Result<Vec<T>, aiomas_mosaik::Error> {
        let codec_context = CodecContext::default();
        let decode = |pair: &Self| {
            get(data, &pair.turbine, attr).decode(&codec_context).map_err(|error| {
                let why = format!("\"{attr}\" of \"{}\": {error}", pair.turbine);
                let [simulator, function] = ["Turbines", "get_data"].map(str::to_owned);
                aiomas_mosaik::Error::Answer { simulator, function, why }
            })
        };
        pairs.iter().map(decode).collect()
    }
}

/// Returns an attribute. A missing one is null, as in mosaik.
fn get(data: &Data, eid: &str, attr: &str) -> Value {
    data.get(eid, attr).cloned().unwrap_or_default()
}

async fn start_turbines(host: &Host, wind: Wind) -> Result<(), Error> {
    let server = Server::bind(host.channel(), "tcp://turbines:4711").await?;
    host.spawn(async move {
        // The client of the simulator receives its errors.
        let _end = server.run(Turbines::new(wind)).await;
    });
    Ok(())
}

/// Starts the agents on hosts, which stand for the processes of a real run.
async fn start_agents(sim: &Sim, children: usize) -> Result<(), Error> {
    let host = sim.host("agents");
    let builder = host.container().codec(Codec::MsgPack).external_clock(start()?, 0.0);
    let container = builder.bind("tcp://agents:5555").await?;
    let mut managers: Vec<ManagerProxy> = Vec::new();
    let mut containers = Vec::new();
    for number in 0..children {
        let name = format!("child{number}");
        let builder = sim.host(&name).container().external_clock(start()?, 0.0);
        let child = builder.bind(&*format!("tcp://{name}:5555")).await?;
        child.spawn(Manager::new(factories()))?;
        managers.push(container.connect(&*format!("tcp://{name}:5555/0")).await?);
        containers.push(child);
    }
    let server = Server::bind(host.channel(), "tcp://agents:4711").await?;
    host.spawn(async move {
        let _end = server.run(Agents::new(container, managers)).await;
        drop(containers);
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the agents' answer to a request with these values.
    fn asked(limit: i64, rated_power: &[i64], power: i64) -> String {
        let sim = Sim::new(1);
        let params = json!({"rated_power": rated_power});
        let result = sim.block_on(async {
            start_agents(&sim, 1).await?;
            let mosaik = sim.host("mosaik");
            let connected = proxy::connect(mosaik.channel(), "tcp://agents:4711").await?;
            let mut agents = connected.init("Agents", 1.0, &json!({"limit": limit}), ()).await?;
            agents.create(2, "TurbineAgent", &params).await?;
            agents.setup_done().await?;
            let inputs = [("p", 5), ("p_possible", power)];
            let inputs = inputs.iter().flat_map(|(attr, power)| {
                ["agent_0", "agent_1"].map(|eid| (eid, *attr, "Turbines.some", *power))
            });
            agents.step(0, &inputs.collect(), 900).await?;
            Ok::<_, Error>(())
        });
        result.map_or_else(|error| error.to_string(), |()| "fine".to_owned())
    }

    #[test]
    fn impossible_farms() {
        let limit = |limit| {
            format!(
                "init() of \"Agents\" has failed: ValueError: the limit has to be positive, and is {limit} W"
            )
        };
        let rated = "create() of \"Agents\" has failed: ValueError: each of 2 turbines needs a rated power, \
                     from 1 to 1000000000000 W";
        let reading = "step() of \"Agents\" has failed: ValueError: input \"p_possible\" of \"agent_1\" is 6 W, \
                       above the rated power of 5 W";
        assert_eq!(asked(1, &[6, 5], 5), "fine");
        assert_eq!(asked(0, &[6, 5], 5), limit(0));
        assert_eq!(asked(-7, &[6, 5], 5), limit(-7));
        assert_eq!(asked(1, &[6], 5), rated);
        assert_eq!(asked(1, &[6, 0], 5), rated);
        assert_eq!(asked(1, &[6, 1_000_000_000_001], 5), rated);
        assert_eq!(asked(1, &[6, 5], 6), reading);
    }
}
