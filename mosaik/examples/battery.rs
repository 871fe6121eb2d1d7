//! A simulator of batteries, which store the energy they receive.
//!
//! cargo run -p aiomas-mosaik --example battery -- --help

use std::collections::BTreeMap;
use std::process::ExitCode;

use aiomas_mosaik::{
    Arguments, Data, Entity, Inputs, Meta, Model, Mosaik, Outputs, RemoteError, Result, Simulator,
    Time, start_simulation,
};
use aiomas_tokio::channel;
use serde::Deserialize;

#[derive(Default)]
struct Batteries {
    /// The stored energy by battery id, in kWh.
    stored: BTreeMap<String, f64>,
    hours: f64,
}

#[derive(Deserialize)]
struct Params {
    #[serde(default)]
    stored: f64,
}

impl Simulator for Batteries {
    async fn init(
        &mut self,
        _sid: &str,
        time_resolution: f64,
        params: Arguments<'_>,
    ) -> Result<Meta> {
        params.parse::<()>()?;
        self.hours = time_resolution / 3600.0;
        let battery = Model::public().params(["stored"]).attrs(["power", "stored"]);
        Ok(Meta::time_based().model("Battery", battery))
    }

    async fn create(
        &mut self,
        num: usize,
        model: &str,
        params: Arguments<'_>,
    ) -> Result<Vec<Entity>> {
        let Params { stored } = params.parse()?;
        let eids = (self.stored.len()..).map(|number| format!("battery_{number}")).take(num);
        let eids: Vec<_> = eids.collect();
        self.stored.extend(eids.iter().map(|eid| (eid.clone(), stored)));
        Ok(eids.into_iter().map(|eid| Entity::new(eid, model)).collect())
    }

    async fn step(
        &mut self,
        time: Time,
        inputs: Inputs,
        _: Time,
        _: &Mosaik,
    ) -> Result<Option<Time>> {
        for (eid, stored) in &mut self.stored {
            *stored += inputs.sum::<f64>(eid, "power")?.unwrap_or(0.0) * self.hours;
        }
        Ok(Some(time + 1))
    }

    async fn get_data(&mut self, outputs: Outputs) -> Result<Data> {
        outputs.fill(|eid, attr| match attr {
            "stored" => Ok(self.stored[eid].into()),
            _ => Err(RemoteError::value_error(format_args!("\"{attr}\" is no output"))),
        })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    start_simulation(channel::builder(), Batteries::default()).await
}
