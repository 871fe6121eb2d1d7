//! The two simulators for mosaik: the turbines and their agents.

mod agents;
mod common;
mod turbines;

pub(crate) use agents::Agents;
pub(crate) use turbines::Turbines;
