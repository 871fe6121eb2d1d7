//! A simulator of counters, which uses every feature of the API.
//!
//! The counters add up their inputs.
//!
//! `counter HOST:PORT` connects to mosaik, `counter --remote HOST:PORT` waits for mosaik.

use std::collections::BTreeMap;
use std::process::ExitCode;

use aiomas_mosaik::{
    Arguments, Data, Entity, Inputs, Meta, Model, Mosaik, Outputs, RemoteError, Result, Simulator,
    Time, Value, simulator, start_simulation, value,
};
use aiomas_tokio::channel;
use serde::Deserialize;

/// A full id and an attribute.
type Attribute = (String, String);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Params {
    step_size: Option<Time>,
    /// `true` to ask mosaik for the progress, and for the relations of the counters.
    ask: bool,
    /// An attribute of another simulator to get in each step.
    peek: Option<Attribute>,
    /// An attribute of another simulator to set in each step.
    push: Option<Attribute>,
}

#[derive(Deserialize)]
struct Start {
    #[serde(default)]
    start: i64,
    #[serde(default = "one")]
    inc: i64,
}

const fn one() -> i64 {
    1
}

#[derive(Debug)]
struct Counter {
    value: i64,
    inc: i64,
    progress: Option<f64>,
    related: Option<Vec<String>>,
    peek: Value,
}

/// A simulator of counters.
#[derive(Debug, Default)]
pub struct Counters {
    sid: String,
    params: Params,
    counters: BTreeMap<String, Counter>,
}

impl Counters {
    fn full_id(&self, eid: &str) -> String {
        format!("{}.{eid}", self.sid)
    }

    fn counter(&self, eid: &str) -> Result<&Counter> {
        let unknown = || RemoteError::new("KeyError", eid);
        self.counters.get(eid).ok_or_else(unknown)
    }
}

#[simulator]
impl Simulator for Counters {
    async fn init(&mut self, sid: &str, _: f64, params: Arguments<'_>) -> Result<Meta> {
        self.sid = sid.to_owned();
        self.params = params.parse()?;
        let counter = Model::public()
            .params(["start", "inc"])
            .attrs(["value", "delta", "progress", "related", "peek"]);
        let half = Model::private().attrs(["half"]);
        Ok(Meta::time_based().model("Counter", counter).model("Half", half))
    }

    async fn create(
        &mut self,
        num: usize,
        model: &str,
        params: Arguments<'_>,
    ) -> Result<Vec<Entity>> {
        let Start { start, inc } = params.parse()?;
        let mut entities = Vec::new();
        for _ in 0..num {
            let eid = format!("counter_{}", self.counters.len());
            let half = Entity::new(format!("{eid}_half"), "Half").rel([&eid]);
            entities.push(Entity::new(&eid, model).child(half));
            let counter =
                Counter { value: start, inc, progress: None, related: None, peek: Value::Null };
            self.counters.insert(eid, counter);
        }
        Ok(entities)
    }

    async fn setup_done(&mut self, mosaik: &Mosaik) -> Result<()> {
        if self.params.ask {
            for (eid, counter) in &mut self.counters {
                let full_id = format!("{}.{eid}", self.sid);
                let related = mosaik.get_related_entities(&full_id).await?;
                counter.related = Some(related.into_keys().collect());
            }
        }
        Ok(())
    }

    async fn step(
        &mut self,
        time: Time,
        inputs: Inputs,
        _max_advance: Time,
        mosaik: &Mosaik,
    ) -> Result<Option<Time>> {
        for (eid, counter) in &mut self.counters {
            counter.value += inputs.sum(eid, "delta")?.unwrap_or(0) + counter.inc;
        }
        if self.params.ask {
            let progress = mosaik.get_progress().await?;
            self.counters.values_mut().for_each(|counter| counter.progress = Some(progress));
        }
        if let Some((full_id, attr)) = &self.params.peek {
            let data = mosaik.get_data([(full_id, attr)]).await?;
            let peek = data.get(full_id, attr);
            let unknown = || RemoteError::new("KeyError", full_id);
            let peek = peek.ok_or_else(unknown)?;
            self.counters.values_mut().for_each(|counter| counter.peek = peek.clone());
        }
        if let Some((full_id, attr)) = &self.params.push {
            let values = self.counters.iter();
            mosaik
                .set_data(values.map(|(eid, c)| (self.full_id(eid), full_id, attr, c.value)))
                .await?;
        }
        Ok(Some(time + self.params.step_size.unwrap_or(1)))
    }

    async fn get_data(&mut self, outputs: Outputs) -> Result<Data> {
        outputs.fill(|eid, attr| match (eid.strip_suffix("_half"), attr) {
            (Some(eid), "half") => Ok((self.counter(eid)?.value as f64 / 2.0).into()),
            (None, "value") => Ok(self.counter(eid)?.value.into()),
            (None, "progress") => value(&self.counter(eid)?.progress),
            (None, "related") => value(&self.counter(eid)?.related),
            (None, "peek") => Ok(self.counter(eid)?.peek.clone()),
            _ => Err(RemoteError::new("KeyError", attr)),
        })
    }

    /// Returns the sum of all values. Integers remain integers, as in Python.
    #[expose]
    fn total(&self, #[default = 1.into()] factor: Value) -> Result<Value> {
        let total: i64 = self.counters.values().map(|counter| counter.value).sum();
        match factor {
            Value::Float(factor) => Ok((total as f64 * factor).into()),
            factor => match factor.as_i64() {
                Some(factor) => Ok((total * factor).into()),
                None => Err(RemoteError::type_error("total(): the factor is no number")),
            },
        }
    }

    /// Fails with `message`.
    #[expose]
    fn boom(&self, message: String) -> Result<()> {
        Err(RemoteError::value_error(message))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    start_simulation(channel::builder(), Counters::default()).await
}
