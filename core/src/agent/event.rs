//! What a container tells the application.

use std::sync::Arc;

use super::address::AgentUrl;
use super::error::ConnectError;
use super::id::{ConnId, ConnectId};

/// Something that the application waits for.
#[derive(Debug, PartialEq, Eq)]
pub enum ContainerEvent<X> {
    /// The agent is there.
    Connected {
        /// Which call of `connect`.
        id: ConnectId,
        /// The context that was given to it.
        ctx: X,
        /// The agent.
        remote: Remote,
    },
    /// The agent cannot be reached.
    Failed {
        /// Which call of `connect`.
        id: ConnectId,
        /// The context that was given to it.
        ctx: X,
        /// Why.
        error: ConnectError,
    },
    /// The container was shut down and its last connection is closed. Attempts that were given up are
    /// not counted.
    Stopped,
}

/// An agent that was connected to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Remote {
    /// The way to its container. Its methods are at `agents/AID/` there.
    pub route: Route,
    /// Its URL.
    pub url: AgentUrl,
    /// The name of its type, as its container told. At most 256 characters are kept.
    pub type_name: Arc<str>,
}

/// The way to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// It is this container: no socket is in between.
    Local,
    /// Over this connection.
    Connection(ConnId),
}
