//! The network between the hosts.

mod connection;
mod flow;
mod knock;
mod network;
mod place;
mod way;

pub(crate) use connection::{HostId, WayId};
pub(crate) use knock::Knock;
pub(crate) use network::{Env, Net};
pub(crate) use place::Place;
