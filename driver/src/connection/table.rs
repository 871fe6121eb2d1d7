//! The connections of a server or a container.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::shared::Connection;
use crate::{Connections, Peer};
use aiomas_core::connection::{Close, CloseReason, Stats};

/// The connections of a server or a container, with counts of closed ones.
///
/// Its owner keeps it under a lock. Methods return connections, so that the owner can close or query them without that
/// lock: a connection has a lock of its own and wakes tasks.
#[derive(Default)]
pub(crate) struct ConnectionTable {
    /// Keyed by number: in the order in which they were opened or accepted.
    open: BTreeMap<u64, Arc<Connection>>,
    gone: Connections,
    /// The last number assigned. No number is used twice.
    last: u64,
    /// How all connections are closed, after the shutdown has started.
    closing: Option<Close>,
}

impl ConnectionTable {
    /// Assigns a number to a connection, which is created without the owner's lock.
    pub(crate) fn next_id(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Adds a connection under its number.
    pub(crate) fn insert(&mut self, connection: Arc<Connection>) {
        self.open.insert(connection.id(), connection);
    }

    /// Removes a closed connection, and counts it.
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

    /// Returns all connections, in order.
    pub(crate) fn all(&self) -> Vec<Arc<Connection>> {
        self.open.values().cloned().collect()
    }

    /// Returns the counts of closed connections, and the open ones for [`Connections::with`] to count.
    pub(crate) fn counts(&self) -> (Connections, Vec<Arc<Connection>>) {
        (self.gone, self.all())
    }

    /// Starts the shutdown, or changes its mode. Returns the connections to close.
    pub(crate) fn close(&mut self, how: Close) -> Vec<Arc<Connection>> {
        self.closing = Some(how);
        self.all()
    }

    /// Returns how all connections are closed, if the shutdown has started.
    pub(crate) const fn closing(&self) -> Option<Close> {
        self.closing
    }

    /// Returns whether the shutdown has started, and no connection is left.
    pub(crate) fn is_over(&self) -> bool {
        self.closing.is_some() && self.open.is_empty()
    }
}

/// The program's hook for disconnected peers.
pub(crate) type DisconnectHook = Arc<dyn Fn(&Peer, &CloseReason) + Send + Sync>;
