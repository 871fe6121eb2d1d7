//! Containers: agents, and the way to agents elsewhere.

mod act;
pub(crate) mod agent_ref;
mod builder;
pub(crate) mod connect;
mod control;
mod ending;
pub(crate) mod handle;
mod hooks;
mod inner;
mod local;
mod redial;
mod serve;
mod starting;

pub use aiomas_core::agent::{
    Address, AgentUrl, Backoff, ConnectError, ContainerConfig, ContainerError, DialError, MAX_URL,
    Patience, Stage, UrlError, UrlReason, ValidateError,
};
pub use builder::{Agents, Builder, bind, builder};
