//! The callbacks of a simulator to the scenario.

use std::collections::BTreeMap;
use std::future::{Future, ready};

use aiomas_core::wire::RemoteError;

use crate::{Data, EntityGraph, EntityInfo, Outputs, Result, SetData, Time};

/// The scenario's answers to callbacks of a simulator, which waits for them.
///
/// Implement the methods as `async fn`. Methods that are not implemented fail with a `ScenarioError`, except for the
/// progress, which is 0. `()` is a world without any answers.
///
/// ```
/// use aiomas_mosaik::Result;
/// use aiomas_mosaik::proxy::World;
///
/// struct Halfway;
///
/// impl World for Halfway {
///     async fn get_progress(&mut self) -> Result<f64> {
///         Ok(50.0)
///     }
/// }
/// ```
pub trait World: Send {
    /// Returns the progress of the simulation in percent.
    fn get_progress(&mut self) -> impl Future<Output = Result<f64>> + Send {
        ready(Ok(0.0))
    }

    /// Returns the entities related to `entity`, by full ids.
    fn get_related_entities(
        &mut self,
        entity: &str,
    ) -> impl Future<Output = Result<BTreeMap<String, EntityInfo>>> + Send {
        ready(missing("get_related_entities", entity))
    }

    /// Returns all entities.
    fn get_entity_graph(&mut self) -> impl Future<Output = Result<EntityGraph>> + Send {
        ready(missing("get_related_entities", "all"))
    }

    /// Returns data of other simulators, by full ids.
    fn get_data(&mut self, outputs: Outputs) -> impl Future<Output = Result<Data>> + Send {
        let _ = outputs;
        ready(missing("get_data", "others"))
    }

    /// Sets inputs of other simulators, by full ids.
    fn set_data(&mut self, data: SetData) -> impl Future<Output = Result<()>> + Send {
        let _ = data;
        ready(missing("set_data", "others"))
    }

    /// Schedules a step of the simulator at `time`.
    fn set_event(&mut self, time: Time) -> impl Future<Output = Result<()>> + Send {
        ready(missing("set_event", &time.to_string()))
    }
}

impl World for () {}

fn missing<T>(function: &str, of: &str) -> Result<T> {
    let message = format_args!("this scenario does not answer {function}() of {of}");
    Err(RemoteError::new("ScenarioError", message))
}
