//! Callbacks from a simulator to mosaik.

use std::collections::BTreeMap;
use std::fmt;

use aiomas::{Call, Error, channel::Channel};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::profile::{NONE, Request};
use crate::{Data, EntityGraph, EntityInfo, Outputs, SetData, Time, Value};

/// A handle for calling mosaik back while mosaik waits for the simulator.
///
/// Cloning a handle is cheap. All methods fail with mosaik's own error ([`Error::Remote`]), and with [`Error::Lost`]
/// when the connection is lost; with `?`, a simulator's method fails with the same error.
///
/// # Cancel safety
/// Dropping the future of a call cancels the call, without notifying mosaik.
#[derive(Clone)]
pub struct Mosaik {
    channel: Channel,
}

impl Mosaik {
    pub(crate) const fn new(channel: Channel) -> Self {
        Self { channel }
    }

    fn call<T: DeserializeOwned>(&self, function: &str, args: impl Serialize) -> Call<T> {
        self.channel.send(&Request::new(function, args))
    }

    /// Returns the progress of the simulation in percent.
    ///
    /// # Errors
    /// As for all methods.
    pub async fn get_progress(&self) -> Result<f64, Error> {
        self.call("get_progress", NONE).await
    }

    /// Returns the entities related to `entity` (a full id, `SIMULATOR.ENTITY`), by full ids.
    ///
    /// # Errors
    /// As for all methods; a `KeyError` if the entity does not exist.
    pub async fn get_related_entities(
        &self,
        entity: &str,
    ) -> Result<BTreeMap<String, EntityInfo>, Error> {
        self.call("get_related_entities", [entity]).await
    }

    /// Returns the entities related to each of several entities, by full ids.
    ///
    /// # Errors
    /// As for all methods; a `KeyError` if one of the entities does not exist.
    pub async fn get_related_entities_of<T: AsRef<str>>(
        &self,
        entities: impl IntoIterator<Item = T>,
    ) -> Result<BTreeMap<String, BTreeMap<String, EntityInfo>>, Error> {
        let entities: Vec<_> = entities.into_iter().collect();
        let entities: Vec<&str> = entities.iter().map(AsRef::as_ref).collect();
        self.call("get_related_entities", [entities]).await
    }

    /// Returns all entities of the simulation and their relations.
    ///
    /// # Errors
    /// As for all methods.
    pub async fn get_entity_graph(&self) -> Result<EntityGraph, Error> {
        self.call("get_related_entities", [()]).await
    }

    /// Returns data of other simulators: pairs of full ids and attributes.
    ///
    /// The data are those of the step before. The call is allowed only during a step, and only for simulators connected
    /// to this one with `async_requests=True`.
    ///
    /// # Errors
    /// As for all methods; a `ScenarioError` without such a connection.
    pub async fn get_data(
        &self,
        attributes: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Result<Data, Error> {
        self.call("get_data", [attributes.into_iter().collect::<Outputs>()]).await
    }

    /// Sets inputs of other simulators for their next step.
    ///
    /// The data are (own entity, entity, attribute, value), with full ids. The simulators must be connected to this one
    /// with `async_requests=True`.
    ///
    /// # Errors
    /// As for all methods; a `ScenarioError` without such a connection.
    pub async fn set_data(
        &self,
        values: impl IntoIterator<
            Item = (impl Into<String>, impl Into<String>, impl Into<String>, impl Into<Value>),
        >,
    ) -> Result<(), Error> {
        self.call("set_data", [values.into_iter().collect::<SetData>()]).await
    }

    /// Schedules a step of this simulator at `time`, in a real-time simulation.
    ///
    /// It may be called at any time, also from other tasks.
    ///
    /// # Errors
    /// As for all methods; a `SimulationError` if the simulation does not run in real time.
    pub async fn set_event(&self, time: Time) -> Result<(), Error> {
        self.call("set_event", [time]).await
    }
}

impl fmt::Debug for Mosaik {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mosaik")
            .field("peer", &self.channel.peer().address())
            .finish_non_exhaustive()
    }
}
