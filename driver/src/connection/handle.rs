//! The handles of a connection.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::shared::{Connection, Machine};
use crate::host::Host;
use crate::lock::lock;
use aiomas_core::connection::Close;

/// A handle that counts as a user of its connection. Dropping the last one closes a connection of this kind.
#[derive(Debug)]
pub(crate) struct ConnectionRef {
    connection: Arc<Connection>,
    /// True for a reference that came over the connection.
    received: bool,
}

impl ConnectionRef {
    pub(crate) fn new(connection: Arc<Connection>) -> Self {
        connection.users.fetch_add(1, Ordering::Relaxed);
        Self { connection, received: false }
    }

    /// Returns the connection, without counting as a user.
    pub(crate) fn clone_connection(&self) -> Arc<Connection> {
        self.connection.clone()
    }

    /// Returns the handle of a reference that came over the connection. These references are counted, and so are their
    /// clones.
    pub(crate) fn received(connection: Arc<Connection>) -> Self {
        connection.received.fetch_add(1, Ordering::Relaxed);
        let mut share = Self::new(connection);
        share.received = true;
        share
    }
}

/// For handles that do not keep the connection open.
impl Connection {
    /// Inspects the state machine.
    pub(crate) fn look<R>(&self, f: impl FnOnce(&Machine) -> R) -> R {
        f(&lock(&self.state).machine)
    }

    /// Returns the host, whose clock and tasks the connection uses.
    pub(crate) fn host(&self) -> Arc<dyn Host> {
        self.host.clone()
    }

    /// Returns the time limit for closing.
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
