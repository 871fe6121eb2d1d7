//! Entities, the parts of a simulation.

use std::collections::BTreeMap;

use aiomas_core::wire::Value;
use serde::{Deserialize, Serialize};

/// An entity that a simulator has created.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entity {
    /// The id, unique within the simulator.
    pub eid: String,
    /// The name of its model.
    #[serde(rename = "type")]
    pub model: String,
    /// The ids of related entities of the same simulator.
    #[serde(default, deserialize_with = "or_null")]
    pub rel: Vec<String>,
    /// The child entities, of which this one consists.
    #[serde(default, deserialize_with = "or_null", skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Self>,
    /// Extra information for the scenario.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub extra_info: Option<Value>,
}

/// Reads `None` as the default: mosaik accepts it for an empty list.
fn or_null<'de, T: Deserialize<'de> + Default, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl Entity {
    /// Creates an entity of `model`.
    #[must_use]
    pub fn new(eid: impl Into<String>, model: impl Into<String>) -> Self {
        let (rel, children) = (Vec::new(), Vec::new());
        Self { eid: eid.into(), model: model.into(), rel, children, extra_info: None }
    }

    /// Adds the ids of related entities.
    #[must_use]
    pub fn rel<T: Into<String>>(mut self, eids: impl IntoIterator<Item = T>) -> Self {
        self.rel.extend(eids.into_iter().map(Into::into));
        self
    }

    /// Adds a child entity.
    #[must_use]
    pub fn child(mut self, child: Self) -> Self {
        self.children.push(child);
        self
    }

    /// Sets extra information for the scenario.
    #[must_use]
    pub fn extra_info(mut self, info: impl Into<Value>) -> Self {
        self.extra_info = Some(info.into());
        self
    }
}

/// mosaik's information about an entity of any simulator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EntityInfo {
    /// The id of its simulator.
    #[serde(default)]
    pub sid: String,
    /// The name of its model.
    #[serde(rename = "type", default)]
    pub model: String,
}

impl EntityInfo {
    /// Creates the information about an entity of `model` in the simulator `sid`.
    #[must_use]
    pub fn new(sid: impl Into<String>, model: impl Into<String>) -> Self {
        Self { sid: sid.into(), model: model.into() }
    }
}

/// All entities and their relations, by full ids: `SIMULATOR.ENTITY`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct EntityGraph {
    /// The entities.
    pub nodes: BTreeMap<String, EntityInfo>,
    /// Pairs of related entities, with data, which is always empty in mosaik.
    pub edges: Vec<(String, String, BTreeMap<String, Value>)>,
}
