//! The network between the hosts.

mod bind_addr;
mod connect;
mod connection;
mod flow;
mod half_stream;
mod network;

pub(crate) use bind_addr::BindAddr;
pub(crate) use connect::Connecting;
pub(crate) use connection::{HalfStreamId, HostId};
pub(crate) use network::{Env, Net};
