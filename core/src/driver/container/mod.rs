//! Containers: agents, and the way to agents elsewhere.

mod act;
mod agent_ref;
mod builder;
mod connect;
mod control;
mod ending;
mod handle;
mod hooks;
mod inner;
mod local;
mod redial;
mod serve;
mod starting;

pub use agent_ref::AgentRef;
pub use builder::{Agents, Builder, bind, builder};
pub use connect::Connect;
pub use handle::Container;
