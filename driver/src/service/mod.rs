//! Services: values with exposed methods, called one at a time or concurrently.

mod access_queue;
mod agent;
mod authorize;
mod cell;
mod deadlock;
mod guard;
mod interface;

pub use agent::{Agent, AgentHandle, HostedAgent};
pub use cell::host_agent;
pub use guard::{Exclusive, Shared};
pub use interface::{Interface, IntoService, Invocation, Method};
