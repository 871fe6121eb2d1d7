//! The clients' end of remote procedure calls.

use std::fmt;

use crate::any_connection::AnyConnection;
use crate::connection::ConnectionRef;
use crate::{Peer, Proxy};
use aiomas_core::connection::{Close, CloseReason};

/// A connection to a peer with services.
///
/// Cloning it is cheap. A client that has connected is closed when its last clone and proxy are gone,
/// once what has been called is answered; a server's connections last until the client or the server ends.
#[derive(Clone)]
pub struct RpcClient(AnyConnection);

impl RpcClient {
    pub(super) const fn new(connection: AnyConnection) -> Self {
        Self(connection)
    }

    /// Over one connection.
    pub(super) const fn of_connection(connection: ConnectionRef) -> Self {
        Self(AnyConnection::Direct(connection))
    }

    /// The root service of the other side.
    #[must_use]
    pub fn remote(&self) -> Proxy {
        Proxy::of_root(self.0.clone())
    }

    /// The root service of the other side, as a typed proxy.
    #[must_use]
    pub fn remote_as<P: From<Proxy>>(&self) -> P {
        self.remote().into()
    }

    /// The other side, and how the connection to it is; the present one, or the last, if it reconnects.
    #[must_use]
    pub fn peer(&self) -> Peer {
        Peer::of_connection(self.0.connection())
    }

    /// Closes the connection once what has been called is answered, within ten seconds (see [`Builder::drain`](super::Builder::drain)).
    /// A client that reconnects does not do so any more; calls that wait for a connection are refused.
    pub fn close(&self) {
        self.close_with(Close::AfterAnswers { within: self.0.connection().drain() });
    }

    /// As [`close`](Self::close), with a choice of what becomes of calls that have not been answered.
    pub fn close_with(&self, how: Close) {
        self.0.close(how);
    }

    /// Waits until the connection, or the present one, is closed, and tells why. What a client that reconnects is
    /// doing, its [line](Proxy::reconnecting) tells.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn closed(&self) -> CloseReason {
        self.0.connection().closed().await
    }
}

impl fmt::Debug for RpcClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RpcClient")
            .field("peer", &self.0.connection().peer())
            .finish_non_exhaustive()
    }
}
