//! The agents: one for each turbine, a controller, and a gateway to mosaik.

mod controller;
mod error;
mod gateway;
mod turbine;

pub(crate) use controller::Controller;
pub(crate) use gateway::{Gateway, GatewayProxy};
pub(crate) use turbine::{Reading, TurbineAgent, TurbineAgentProxy};

use aiomas::manager::Factories;
use aiomas_core::clock::{Date, DateError};

/// Returns the date at time 0 in all containers.
pub(crate) fn start() -> Result<Date, DateError> {
    "2026-01-05T00:00:00+00:00".parse()
}

/// Returns the agents that the containers of turbines can spawn.
pub(crate) fn factories() -> Factories {
    Factories::new().agent("TurbineAgent", ["rated_power"], TurbineAgent::new)
}
