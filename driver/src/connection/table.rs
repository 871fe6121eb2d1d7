//! The connections of a server or a container.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::shared::Connection;
use crate::{Connections, Peer};
use aiomas_core::connection::{Close, CloseReason, Stats};

/// The connections of a server or a container, and counts of those that are gone.
///
/// Its owner keeps it under a lock. Methods that return connections leave it to the owner to close or ask them without
/// that lock, since a connection has a lock of its own and wakes tasks.
#[derive(Default)]
pub(crate) struct ConnectionTable {
    /// By their numbers: in the order in which they were opened or accepted.
    open: BTreeMap<u64, Arc<Connection>>,
    gone: Connections,
    /// The last number that was given out. None is used twice.
    last: u64,
    /// How all connections are closed, once they are.
    closing: Option<Close>,
}

impl ConnectionTable {
    /// A number for a connection, which is made without the owner's lock.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Adds a connection under the number that it was made with.
    pub(crate) fn insert(&mut self, connection: Arc<Connection>) {
        self.open.insert(connection.id(), connection);
    }

    /// Removes a connection that is closed, and counts it.
    pub(crate) fn remove(&mut self, id: u64, reason: &CloseReason, stats: Stats) {
        self.gone.end(reason, stats);
        self.open.remove(&id);
    }

    pub(crate) fn get(&self, id: u64) -> Option<Arc<Connection>> {
        self.open.get(&id).cloned()
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    /// All connections, in order.
    pub(crate) fn all(&self) -> Vec<Arc<Connection>> {
        self.open.values().cloned().collect()
    }

    /// What is counted of the connections that are gone, and those that [`Connections::with`] counts.
    pub(crate) fn counts(&self) -> (Connections, Vec<Arc<Connection>>) {
        (self.gone, self.all())
    }

    /// Begins the end, or changes how it goes. Returns the connections to be closed like this.
    pub(crate) fn close(&mut self, how: Close) -> Vec<Arc<Connection>> {
        self.closing = Some(how);
        self.all()
    }

    /// How all connections are closed, if the end has begun.
    pub(crate) const fn closing(&self) -> Option<Close> {
        self.closing
    }

    /// Whether the end has begun, and no connection is left.
    pub(crate) fn is_over(&self) -> bool {
        self.closing.is_some() && self.open.is_empty()
    }
}

/// What a program does when a connection is gone.
pub(crate) type DisconnectHook = Arc<dyn Fn(&Peer, &CloseReason) + Send + Sync>;
