//! Calling mosaik back.

use std::collections::BTreeMap;
use std::fmt;

use aiomas::{Call, Error, channel::Channel};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::profile::{NONE, Request};
use crate::{Data, EntityGraph, EntityInfo, Outputs, SetData, Time, Value};

/// mosaik, as a simulator can call it back, while mosaik waits for it. Cloning it is cheap.
///
/// All methods fail with what mosaik fails with ([`Error::Remote`]), and with [`Error::Lost`] when it is gone; with
/// `?`, a simulator's method fails likewise.
///
/// # Cancel safety
/// Dropping a call gives it up. mosaik is not told.
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

    /// How much of the simulation is done, in percent.
    ///
    /// # Errors
    /// As all methods.
    pub async fn get_progress(&self) -> Result<f64, Error> {
        self.call("get_progress", NONE).await
    }

    /// The entities that `entity` (a full id, `SIMULATOR.ENTITY`) is related to, by full ids.
    ///
    /// # Errors
    /// As all methods; a `KeyError` if there is no such entity.
    pub async fn get_related_entities(
        &self,
        entity: &str,
    ) -> Result<BTreeMap<String, EntityInfo>, Error> {
        self.call("get_related_entities", [entity]).await
    }

    /// As [`get_related_entities`](Self::get_related_entities), for many at a time.
    ///
    /// # Errors
    /// As all methods; a `KeyError` if one of them is not there.
    pub async fn get_related_entities_of<T: AsRef<str>>(
        &self,
        entities: impl IntoIterator<Item = T>,
    ) -> Result<BTreeMap<String, BTreeMap<String, EntityInfo>>, Error> {
        let entities: Vec<_> = entities.into_iter().collect();
        let entities: Vec<&str> = entities.iter().map(AsRef::as_ref).collect();
        self.call("get_related_entities", [entities]).await
    }

    /// All entities of the simulation, and how they are related.
    ///
    /// # Errors
    /// As all methods.
    pub async fn get_entity_graph(&self) -> Result<EntityGraph, Error> {
        self.call("get_related_entities", [()]).await
    }

    /// Data of other simulators: pairs of full ids and attributes. Only during a step, and only of simulators
    /// that are connected to this one with `async_requests=True`; they are as of the step before.
    ///
    /// # Errors
    /// As all methods; a `ScenarioError` if they are not connected so.
    pub async fn get_data(
        &self,
        attributes: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>,
    ) -> Result<Data, Error> {
        self.call("get_data", [attributes.into_iter().collect::<Outputs>()]).await
    }

    /// Sets inputs of other simulators, for their next step: (own entity, entity, attribute, value), with full
    /// ids. They have to be connected to this one with `async_requests=True`.
    ///
    /// # Errors
    /// As all methods; a `ScenarioError` if they are not connected so.
    pub async fn set_data(
        &self,
        values: impl IntoIterator<
            Item = (impl Into<String>, impl Into<String>, impl Into<String>, impl Into<Value>),
        >,
    ) -> Result<(), Error> {
        self.call("set_data", [values.into_iter().collect::<SetData>()]).await
    }

    /// Lets this simulator be stepped at `time`, if the simulation runs in real time. That can be called at any
    /// time, also from other tasks.
    ///
    /// # Errors
    /// As all methods; a `SimulationError` if it does not run in real time.
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
