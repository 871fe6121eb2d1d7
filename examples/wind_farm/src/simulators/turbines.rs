//! Wind turbines.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use aiomas_mosaik::{
    Arguments, Data, Entity, Inputs, Meta, Model, Mosaik, Outputs, RemoteError, Result, Simulator,
    Time, Value, value,
};

use super::common::{check_resolution, next, unknown_attribute};
use crate::turbine::{Kind, Speed, Watts};
use crate::wind::{STEP, Wind};

const MODEL: &str = "Turbine";

/// A simulator of turbines. They feed in the power that the wind and their maxima allow.
///
/// A maximum applies from the step of its arrival until the next one arrives.
#[derive(Debug)]
pub(crate) struct Turbines {
    wind: Wind,
    turbines: Vec<Turbine>,
    /// The number of each turbine, by its entity id.
    eids: HashMap<String, usize>,
    busy: Duration,
}

#[derive(Debug)]
struct Turbine {
    kind: &'static Kind,
    wind: Speed,
    maximum: Watts,
}

impl Turbine {
    const fn possible(&self) -> Watts {
        self.kind.power(self.wind)
    }

    fn power(&self) -> Watts {
        self.possible().min(self.maximum)
    }
}

impl Turbines {
    pub(crate) fn new(wind: Wind) -> Self {
        Self { wind, turbines: Vec::new(), eids: HashMap::new(), busy: Duration::ZERO }
    }

    fn turbine(&self, eid: &str) -> Result<&Turbine> {
        let number = self.eids.get(eid).ok_or_else(|| RemoteError::new("KeyError", eid))?;
        Ok(&self.turbines[*number])
    }
}

impl Simulator for Turbines {
    async fn init(
        &mut self,
        _sid: &str,
        time_resolution: f64,
        params: Arguments<'_>,
    ) -> Result<Meta> {
        params.parse::<()>()?;
        check_resolution(time_resolution)?;
        let turbine = Model::public().attrs(["wind", "p_possible", "p_max", "p"]);
        Ok(Meta::time_based().model(MODEL, turbine).extra_methods(["seconds"]))
    }

    async fn create(
        &mut self,
        num: usize,
        model: &str,
        params: Arguments<'_>,
    ) -> Result<Vec<Entity>> {
        params.parse::<()>()?;
        let mut entities = Vec::with_capacity(num);
        for _ in 0..num {
            let number = self.turbines.len();
            let (kind, eid) = (Kind::of(number), format!("turbine_{number}"));
            self.turbines.push(Turbine { kind, wind: 0, maximum: kind.rated_power });
            self.eids.insert(eid.clone(), number);
            // The scenario passes it on to the agents.
            let info = serde_json::json!({"rated_power": kind.rated_power});
            entities.push(Entity::new(eid, model).extra_info(info));
        }
        Ok(entities)
    }

    async fn step(
        &mut self,
        time: Time,
        inputs: Inputs,
        _max_advance: Time,
        _mosaik: &Mosaik,
    ) -> Result<Option<Time>> {
        let begin = Instant::now();
        for eid in inputs.0.keys() {
            if let Some(maximum) = inputs.values(eid, "p_max")?.into_iter().min() {
                let number = self.eids.get(eid).ok_or_else(|| RemoteError::new("KeyError", eid))?;
                self.turbines[*number].maximum = maximum;
            }
        }
        let step = time / Time::from(STEP);
        for (number, turbine) in self.turbines.iter_mut().enumerate() {
            let wind = usize::try_from(step).ok().and_then(|step| self.wind.at(step, number));
            turbine.wind = wind.ok_or_else(|| {
                RemoteError::value_error(format_args!("the wind data ends before {time} s"))
            })?;
        }
        self.busy += begin.elapsed();
        Ok(Some(next(time)))
    }

    async fn get_data(&mut self, outputs: Outputs) -> Result<Data> {
        let begin = Instant::now();
        let data = outputs.fill(|eid, attr| {
            let turbine = self.turbine(eid)?;
            match attr {
                "wind" => Ok((f64::from(turbine.wind) / 100.0).into()),
                "p_possible" => Ok(turbine.possible().into()),
                "p_max" => Ok(turbine.maximum.into()),
                "p" => Ok(turbine.power().into()),
                _ => Err(unknown_attribute(attr)),
            }
        });
        self.busy += begin.elapsed();
        data
    }

    /// Returns the time the turbines have taken so far.
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
