//! The client side of remote procedure calls.

use std::fmt;

use crate::any_connection::AnyConnection;
use crate::connection::ConnectionRef;
use crate::{Peer, Proxy};
use aiomas_core::connection::{Close, CloseReason};

/// A connection to a peer with services.
///
/// Cloning it is cheap. A connected client is closed when its last clone and proxy are gone, once pending calls are
/// answered; a server's connections last until the client or the server ends.
#[derive(Clone)]
pub struct RpcClient(AnyConnection);

impl RpcClient {
    pub(super) const fn new(connection: AnyConnection) -> Self {
        Self(connection)
    }

    /// Wraps a single connection.
    pub(super) const fn of_connection(connection: ConnectionRef) -> Self {
        Self(AnyConnection::Direct(connection))
    }

    /// Returns the peer's root service.
    #[must_use]
    pub fn remote(&self) -> Proxy {
        Proxy::of_root(self.0.clone())
    }

    /// Returns the peer's root service as a typed proxy.
    #[must_use]
    pub fn remote_as<P: From<Proxy>>(&self) -> P {
        self.remote().into()
    }

    /// Returns the peer, with the state of the connection: the present or last one, if the client reconnects.
    #[must_use]
    pub fn peer(&self) -> Peer {
        Peer::of_connection(self.0.connection())
    }

    /// Closes the connection once pending calls are answered, within ten seconds (see
    /// [`Builder::drain`](super::Builder::drain)). A reconnecting client stops reconnecting; calls that wait for a
    /// connection are refused.
    pub fn close(&self) {
        self.close_with(Close::AfterAnswers { within: self.0.connection().drain() });
    }

    /// Closes the connection; `how` decides the fate of unanswered calls.
    pub fn close_with(&self, how: Close) {
        self.0.close(how);
    }

    /// Waits until the present connection is closed, and returns the reason. To follow a reconnecting client, see its
    /// [reconnecting connection](Proxy::reconnecting).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
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
