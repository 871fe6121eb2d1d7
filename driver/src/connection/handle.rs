//! The handles of a connection.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::shared::{Connection, Machine};
use crate::host::Host;
use crate::lock::lock;
use aiomas_core::connection::Close;

/// A handle's share in a connection. When the last one of a connection of their own goes, it is closed.
#[derive(Debug)]
pub(crate) struct ConnectionRef {
    connection: Arc<Connection>,
    /// It is part of a reference that came over the connection.
    received: bool,
}

impl ConnectionRef {
    pub(crate) fn new(connection: Arc<Connection>) -> Self {
        connection.users.fetch_add(1, Ordering::Relaxed);
        Self { connection, received: false }
    }

    /// The connection, without a share in it.
    pub(crate) fn clone_connection(&self) -> Arc<Connection> {
        self.connection.clone()
    }

    /// The share of a reference that came over the connection. These are counted, and clones of theirs as well.
    pub(crate) fn received(connection: Arc<Connection>) -> Self {
        connection.received.fetch_add(1, Ordering::Relaxed);
        let mut share = Self::new(connection);
        share.received = true;
        share
    }
}

/// For handles that have no share in it.
impl Connection {
    /// Looks at the connection as it is.
    pub(crate) fn look<R>(&self, f: impl FnOnce(&Machine) -> R) -> R {
        f(&lock(&self.state).machine)
    }

    /// By whose clock it goes, and what runs its tasks.
    pub(crate) fn host(&self) -> Arc<dyn Host> {
        self.host.clone()
    }

    /// How long closing may take.
    pub(crate) const fn drain(&self) -> Duration {
        self.drain
    }
}

impl std::ops::Deref for ConnectionRef {
    type Target = Arc<Connection>;

    fn deref(&self) -> &Arc<Connection> {
        &self.connection
    }
}

impl Clone for ConnectionRef {
    fn clone(&self) -> Self {
        if self.received {
            Self::received(self.connection.clone())
        } else {
            Self::new(self.connection.clone())
        }
    }
}

impl Drop for ConnectionRef {
    fn drop(&mut self) {
        let Connection { users, received, closes_unused, drain, handler, .. } = &*self.connection;
        if self.received {
            received.fetch_sub(1, Ordering::Relaxed);
        }
        if users.fetch_sub(1, Ordering::AcqRel) == 1 && *closes_unused {
            handler.unused();
            self.connection.close(Close::AfterAnswers { within: *drain });
        }
    }
}
