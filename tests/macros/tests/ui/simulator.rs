#![allow(unused)]

use aiomas_mosaik::{
    Arguments, Data, Entity, Inputs, Meta, Mosaik, Outputs, Result, Simulator, Time, Value, simulator,
};

struct Pumps;

#[simulator]
impl Pumps {
    #[expose]
    fn fill(&mut self) {}
}

#[simulator]
struct Valves;

struct Tanks;

#[simulator(name = "Tanks")]
impl Simulator for Tanks {
    async fn init(&mut self, _: &str, _: f64, _: Arguments<'_>) -> Result<Meta> {
        Ok(Meta::time_based())
    }

    async fn create(&mut self, _: usize, _: &str, _: Arguments<'_>) -> Result<Vec<Entity>> {
        Ok(Vec::new())
    }

    async fn step(&mut self, time: Time, _: Inputs, _: Time, _: &Mosaik) -> Result<Option<Time>> {
        Ok(Some(time + 1))
    }

    async fn get_data(&mut self, _: Outputs) -> Result<Data> {
        Ok(Data::default())
    }

    async fn extra_method(&mut self, _: &str, _: Arguments<'_>, _: &Mosaik) -> Result<Value> {
        Ok(Value::Null)
    }

    #[expose(name = "step")]
    fn go(&mut self) {}

    #[expose]
    fn unmarked(&self, mosaik: &Mosaik) {}

    #[on_stop]
    fn stop(&self) {}

    #[expose]
    fn twice(&self) {}

    #[expose(name = "twice")]
    fn again(&self) {}
}

fn main() {}
