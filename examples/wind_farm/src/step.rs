//! The record of a step.

use serde::{Deserialize, Serialize};

use crate::turbine::Watts;

/// A step of the farm: the attributes of each turbine, by its number.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// The time, in seconds.
    pub(crate) time: u64,
    /// The wind, in m/s.
    pub(crate) wind: Vec<f64>,
    /// The power the wind allowed.
    pub(crate) p_possible: Vec<Watts>,
    /// The maximum of each turbine.
    pub(crate) p_max: Vec<Watts>,
    /// The power fed in.
    pub(crate) p: Vec<Watts>,
}
