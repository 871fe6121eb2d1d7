//! What is recorded of a step.

use serde::{Deserialize, Serialize};

use crate::turbine::Watts;

/// A step of the farm: for each turbine, by its number, the attributes that the simulator of turbines has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// In seconds.
    pub(crate) time: u64,
    /// In metres per second.
    pub(crate) wind: Vec<f64>,
    /// What the wind allowed.
    pub(crate) p_possible: Vec<Watts>,
    /// What the turbine might feed in at most.
    pub(crate) p_max: Vec<Watts>,
    /// What it has fed in.
    pub(crate) p: Vec<Watts>,
}
