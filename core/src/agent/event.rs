//! Events: outputs of a container to the application.

use std::sync::Arc;

use super::address::AgentUrl;
use super::error::ConnectError;
use super::id::{ConnId, ConnectId};

/// An event of a container.
#[derive(Debug, PartialEq, Eq)]
pub enum ContainerEvent<X> {
    /// The agent is reachable.
    Connected {
        /// The call of `connect`.
        id: ConnectId,
        /// The context of the call.
        ctx: X,
        /// The agent.
        remote: Remote,
    },
    /// The agent cannot be reached.
    Failed {
        /// The call of `connect`.
        id: ConnectId,
        /// The context of the call.
        ctx: X,
        /// The reason.
        error: ConnectError,
    },
    /// The container was shut down and its last connection is closed. Cancelled attempts do not count.
    Stopped,
}

/// A connected agent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Remote {
    /// The route to its container. Its methods are at `agents/AID/` there.
    pub route: Route,
    /// Its URL.
    pub url: AgentUrl,
    /// The name of its type, as sent by its container. At most 256 characters are kept.
    pub type_name: Arc<str>,
}

/// The route to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// This container itself, without a socket.
    Local,
    /// The container behind this connection.
    Connection(ConnId),
}
