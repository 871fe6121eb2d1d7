//! The connection of a proxy or a client: a single one, or a reconnecting one.

use std::sync::Arc;

use super::Call;
use super::connection::{Connection, ConnectionRef};
use super::reconnect::ReconnectShared;
use aiomas_core::connection::{CallOptions, Close};
use aiomas_core::wire::{CodecContext, CodecError, Format};

/// A connection to a peer, which may outlive its stream.
#[derive(Clone)]
pub(super) enum AnyConnection {
    /// A single connection.
    Direct(ConnectionRef),
    /// One connection at a time, to the same peer.
    Reconnecting(Arc<ReconnectShared>),
}

impl AnyConnection {
    /// Wraps a single connection, and counts as its user.
    pub(super) fn of(connection: Arc<Connection>) -> Self {
        Self::Direct(ConnectionRef::new(connection))
    }

    /// Returns the connection; if it reconnects, the present or last one.
    pub(super) fn connection(&self) -> Arc<Connection> {
        self.with(Arc::clone)
    }

    /// Applies `f` to that connection.
    #[inline]
    pub(super) fn with<R>(&self, f: impl FnOnce(&Arc<Connection>) -> R) -> R {
        match self {
            Self::Direct(connection) => f(connection),
            Self::Reconnecting(reconnecting) => f(&reconnecting.connection()),
        }
    }

    /// Makes a call; `encode` appends the content. On a reconnecting connection, a lost call is made again if it is
    /// `idempotent`.
    #[inline]
    pub(super) fn call<T>(
        &self,
        options: CallOptions,
        idempotent: bool,
        encode: impl Fn(Format, &CodecContext, &mut Vec<u8>) -> Result<(), CodecError>,
    ) -> Call<T> {
        match self {
            Self::Direct(connection) => Call::over(connection, options, encode),
            // Passed as a trait object, so that ordinary calls do not grow.
            Self::Reconnecting(reconnecting) => {
                Call::reconnecting(reconnecting, options, idempotent, &encode)
            }
        }
    }

    /// Closes the connection for good.
    pub(super) fn close(&self, how: Close) {
        match self {
            Self::Direct(connection) => connection.close(how),
            Self::Reconnecting(reconnecting) => reconnecting.close(how),
        }
    }

    /// Returns a key that identifies the connection.
    pub(super) fn id(&self) -> usize {
        match self {
            Self::Direct(connection) => Arc::as_ptr(connection) as usize,
            Self::Reconnecting(reconnecting) => Arc::as_ptr(reconnecting) as usize,
        }
    }
}
