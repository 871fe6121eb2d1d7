//! What a proxy or a client calls over: one connection, or one after the other.

use std::sync::Arc;

use super::Call;
use super::connection::{Connection, ConnectionRef};
use super::reconnect::ReconnectShared;
use aiomas_core::connection::{CallOptions, Close};
use aiomas_core::wire::{CodecContext, CodecError, Format};

/// A connection to a peer, which may outlive its stream.
#[derive(Clone)]
pub(super) enum AnyConnection {
    /// One connection.
    Direct(ConnectionRef),
    /// One connection at a time, to the same peer.
    Reconnecting(Arc<ReconnectShared>),
}

impl AnyConnection {
    /// One connection, whose handle this becomes.
    pub(super) fn of(connection: Arc<Connection>) -> Self {
        Self::Direct(ConnectionRef::new(connection))
    }

    /// The connection; of several, the present one or the last.
    pub(super) fn connection(&self) -> Arc<Connection> {
        self.with(Arc::clone)
    }

    /// Looks at that connection.
    #[inline]
    pub(super) fn with<R>(&self, f: impl FnOnce(&Arc<Connection>) -> R) -> R {
        match self {
            Self::Direct(connection) => f(connection),
            Self::Reconnecting(reconnecting) => f(&reconnecting.connection()),
        }
    }

    /// Makes a call; `encode` appends its content. A call that reconnects is made again when it is lost, if it is
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
            // As an object, so that ordinary calls are not made larger by it.
            Self::Reconnecting(reconnecting) => {
                Call::reconnecting(reconnecting, options, idempotent, &encode)
            }
        }
    }

    /// Closes it for good.
    pub(super) fn close(&self, how: Close) {
        match self {
            Self::Direct(connection) => connection.close(how),
            Self::Reconnecting(reconnecting) => reconnecting.close(how),
        }
    }

    /// What tells it from others.
    pub(super) fn id(&self) -> usize {
        match self {
            Self::Direct(connection) => Arc::as_ptr(connection) as usize,
            Self::Reconnecting(reconnecting) => Arc::as_ptr(reconnecting) as usize,
        }
    }
}
