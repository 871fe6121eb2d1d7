//! Containers: host agents, and connect to agents elsewhere.

pub(crate) mod agent_ref;
mod builder;
pub(crate) mod connect;
mod ending;
mod event_loop;
pub(crate) mod handle;
mod hooks;
mod local;
mod redial;
mod serve;
mod shared;
mod starting;
mod state;

pub use aiomas_core::agent::{
    Address, AgentUrl, Backoff, ConnectError, ContainerConfig, ContainerError, DialError, MAX_URL,
    RetryLimit, Stage, UrlError, UrlReason, ValidateError,
};
pub use builder::{Agents, Builder, bind, builder};
