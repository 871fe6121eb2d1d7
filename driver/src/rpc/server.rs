//! The server side of remote procedure calls.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Poll;
use std::time::Duration;

use super::client::RpcClient;
use crate::cancel::Canceller;
use crate::connection::{Connection, ConnectionRef, ConnectionTable, DisconnectHook, Handler};
use crate::contain::undisturbed;
use crate::endpoint::{Endpoint, EndpointId};
use crate::lock::lock;
use crate::options::Settings;
use crate::stream::Stream;
use crate::wakers::{Awaited, Registration, WakerSet};
use crate::{Connections, Peer};
use aiomas_core::agent::Address;
use aiomas_core::connection::{Admission, AdmissionStats, Close, CloseReason, Side};

/// An RPC server. It serves its clients until it is dropped or shut down.
///
/// Hooks report clients that connect ([`on_connect`](super::Builder::on_connect)) and disconnect
/// ([`on_disconnect`](super::Builder::on_disconnect)). [`clients`](Self::clients) lists handles to call,
/// [`peers`](Self::peers) connections to inspect and close. To restrict calls, wrap the root service or one within it
/// in [`authorize`](aiomas_core::rpc::authorize).
///
/// ```no_run
/// # fn example(server: &aiomas::rpc::RpcServer) {
/// for peer in server.peers() {
///     let (who, state) = (peer.certificate().map(|certificate| &*certificate.subject), peer.state());
///     println!("{} {who:?}: {} calls, in {:?}", peer.id(), state.calls_in, state.codec);
///     if who != Some("CN=house") {
///         peer.close();
///     }
/// }
/// # }
/// ```
#[must_use = "dropping the server shuts it down"]
pub struct RpcServer {
    pub(super) address: Address,
    pub(super) shared: Arc<ServerShared>,
    pub(super) admission: Arc<Mutex<Admission>>,
}

impl RpcServer {
    /// Returns the address, with the real port.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Returns the connected clients.
    #[must_use]
    pub fn clients(&self) -> Vec<RpcClient> {
        let connections = lock(&self.shared.connections).all();
        let connections = connections.into_iter().map(ConnectionRef::new);
        connections.map(RpcClient::of_connection).collect()
    }

    /// Returns the connected peers, to inspect and close without becoming their client.
    #[must_use]
    pub fn peers(&self) -> Vec<Peer> {
        let connections = lock(&self.shared.connections).all();
        connections.into_iter().map(Peer::of_connection).collect()
    }

    /// Returns counts over all connections: pending calls, total calls and bytes.
    #[must_use]
    pub fn stats(&self) -> Connections {
        let (gone, connections) = lock(&self.shared.connections).counts();
        gone.with(&connections)
    }

    /// Returns counts of the connections that were accepted or refused.
    #[must_use]
    pub fn admission(&self) -> AdmissionStats {
        lock(&self.admission).stats()
    }

    /// Shuts the server down: no more clients and calls are accepted. Pending calls are answered within ten seconds
    /// (see [`Builder::drain`](super::Builder::drain)); then connections are closed.
    ///
    /// Within an async method of the server, the future completes at once, because the shutdown waits for that method.
    /// Then it acts like [`Context::stop`](crate::Context::stop).
    ///
    /// # Cancel safety
    /// Once polled, the shutdown completes whether or not the future is awaited to its end.
    pub async fn shutdown(self) {
        let within = self.shared.drain;
        self.shutdown_with(Close::AfterAnswers { within }).await;
    }

    /// Shuts the server down; `how` decides the fate of unanswered calls.
    ///
    /// # Cancel safety
    /// The same as [`shutdown`](Self::shutdown).
    pub async fn shutdown_with(self, how: Close) {
        self.shared.close(how);
        if !self.shared.id.is_current() {
            self.stopped().await;
        }
    }

    /// Waits until the server has ended, by [`shutdown`](Self::shutdown) or [`Context::stop`](crate::Context::stop). A
    /// program that does nothing else can use [`serve`](super::Builder::serve).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn stopped(&self) {
        let shared = &*self.shared;
        let mut waiting = Registration::new(shared);
        poll_fn(|cx| {
            // Register before the check: the last connection may close in between.
            waiting.register(cx);
            if lock(&shared.connections).is_over() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        if let Some(listening) = shared.listening.get() {
            listening.join().await;
        }
    }
}

impl Drop for RpcServer {
    fn drop(&mut self) {
        if lock(&self.shared.connections).closing().is_none() {
            self.shared.stop();
        }
    }
}

impl fmt::Debug for RpcServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RpcServer").field(&self.address).finish()
    }
}

/// State shared by the handle and the connections of a server.
pub(super) struct ServerShared {
    id: EndpointId,
    connections: Mutex<ConnectionTable>,
    /// The tasks that wait for the end of the server.
    wakers: WakerSet,
    on_disconnect: Option<DisconnectHook>,
    /// Accepts clients until it is cancelled.
    listening: OnceLock<Canceller>,
    drain: Duration,
}

impl Awaited for ServerShared {
    fn wakers(&self) -> &WakerSet {
        &self.wakers
    }
}

impl Endpoint for ServerShared {
    fn id(&self) -> EndpointId {
        self.id
    }

    fn stop(&self) {
        self.close(Close::AfterAnswers { within: self.drain });
    }
}

impl ServerShared {
    pub(super) fn new(on_disconnect: Option<DisconnectHook>, drain: Duration) -> Arc<Self> {
        Arc::new(Self {
            id: EndpointId::new(),
            connections: Mutex::default(),
            wakers: WakerSet::default(),
            on_disconnect,
            listening: OnceLock::new(),
            drain,
        })
    }

    /// Creates the connection of an accepted stream, unless the server has ended.
    pub(super) fn admit(
        &self,
        settings: &Settings,
        stream: &Stream,
        handler: Arc<dyn Handler>,
    ) -> Option<Arc<Connection>> {
        let id = lock(&self.connections).next_id();
        let connection = settings.connection(stream, Side::Listener, id, false, handler);
        let mut connections = lock(&self.connections);
        // The shutdown has not seen this connection, so it must not be added.
        if connections.closing().is_some() {
            return None;
        }
        connections.insert(connection.clone());
        Some(connection)
    }

    pub(super) fn closed(&self, connection: &Arc<Connection>, reason: &CloseReason) {
        let stats = connection.stats();
        lock(&self.connections).remove(connection.id(), reason, stats);
        self.wakers.wake();
        if let Some(on_disconnect) = &self.on_disconnect {
            undisturbed(|| on_disconnect(&Peer::of_connection(connection.clone()), reason));
        }
    }

    /// Stores the canceller of the accept loop. A service may have stopped the server by now.
    pub(super) fn listens(&self, listening: Canceller) {
        // A server sets it once.
        let _set = self.listening.set(listening);
        if lock(&self.connections).closing().is_some() {
            self.cancel();
        }
    }

    fn cancel(&self) {
        if let Some(listening) = self.listening.get() {
            listening.cancel();
        }
    }

    /// Starts the shutdown.
    fn close(&self, how: Close) {
        let connections = lock(&self.connections).close(how);
        self.cancel();
        for connection in connections {
            connection.close(how);
        }
        self.wakers.wake();
    }
}
