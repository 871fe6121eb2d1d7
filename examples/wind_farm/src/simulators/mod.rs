//! The two simulators that mosaik runs: the turbines, and the agents that watch over them.

mod agents;
mod common;
mod turbines;

pub(crate) use agents::Agents;
pub(crate) use turbines::Turbines;
