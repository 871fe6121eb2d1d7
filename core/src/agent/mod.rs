//! Agents and the containers that host them: addresses, dialling, the order in which calls start.

mod actions;
mod address;
pub(crate) mod agents;
mod config;
mod container;
mod dial;
mod error;
mod event;
mod fair;
mod id;
#[doc(hidden)]
pub mod local;
pub(crate) mod mailbox;
mod node;
pub(crate) mod retry;
#[doc(hidden)]
pub mod root;
pub(crate) mod validate;
mod waiters;

#[cfg(test)]
mod tests;

pub use actions::Action;
pub use address::{Address, AgentUrl, MAX_URL, UrlError, UrlReason};
pub use agents::Agents;
pub use config::ContainerConfig;
pub use container::Container;
pub use error::{ConnectError, ContainerError, DialError, Stage, ValidateError};
pub use event::{ContainerEvent, Remote, Route};
pub use fair::QueueKey;
pub use id::{ConnId, ConnectId, DialId, ValidateTicket};
pub use mailbox::Mailbox;
pub use node::{Node, NodeAction, NodeCall, NodeConfig, NodeEvent, Serve, Target, Ticket};
pub use retry::{Backoff, RetryLimit, RetryPolicy};
