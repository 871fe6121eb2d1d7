//! What answers calls: values with exposed methods, one after the other or side by side.

mod agent;
mod authorize;
mod chain;
mod guard;
mod hosted;
mod interface;
mod mailbox;

pub use agent::{Agent, Identity, Resident};
pub use guard::{Exclusive, Shared};
pub use hosted::host_agent;
pub use interface::{Interface, IntoService, Invocation, Method};
