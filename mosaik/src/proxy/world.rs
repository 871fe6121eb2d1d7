//! What simulators may ask a scenario.

use std::collections::BTreeMap;
use std::future::{Future, ready};

use aiomas_core::wire::RemoteError;

use crate::{Data, EntityGraph, EntityInfo, Outputs, Result, SetData, Time};

/// What a simulator may ask the scenario that drives it, while that waits for its answer. `()` is a world that
/// knows nothing.
///
/// Implement the methods as `async fn`. Those that are left out fail with a `ScenarioError`, but for the progress,
/// which is 0.
pub trait World: Send {
    /// How much of the simulation is done, in percent.
    fn get_progress(&mut self) -> impl Future<Output = Result<f64>> + Send {
        ready(Ok(0.0))
    }

    /// The entities that `entity` is related to, by full ids.
    fn get_related_entities(
        &mut self,
        entity: &str,
    ) -> impl Future<Output = Result<BTreeMap<String, EntityInfo>>> + Send {
        ready(missing("get_related_entities", entity))
    }

    /// All entities.
    fn get_entity_graph(&mut self) -> impl Future<Output = Result<EntityGraph>> + Send {
        ready(missing("get_related_entities", "all"))
    }

    /// Data of other simulators, by full ids.
    fn get_data(&mut self, outputs: Outputs) -> impl Future<Output = Result<Data>> + Send {
        let _ = outputs;
        ready(missing("get_data", "others"))
    }

    /// Takes inputs for other simulators, by full ids.
    fn set_data(&mut self, data: SetData) -> impl Future<Output = Result<()>> + Send {
        let _ = data;
        ready(missing("set_data", "others"))
    }

    /// The simulator wants to be stepped at `time`.
    fn set_event(&mut self, time: Time) -> impl Future<Output = Result<()>> + Send {
        ready(missing("set_event", &time.to_string()))
    }
}

impl World for () {}

fn missing<T>(function: &str, of: &str) -> Result<T> {
    let message = format_args!("this scenario does not answer {function}() of {of}");
    Err(RemoteError::new("ScenarioError", message))
}
