//! The servers' end of remote procedure calls.

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

/// Serves whoever connects, until it is dropped or shut down.
///
/// It tells who comes ([`on_connect`](super::Builder::on_connect)) and goes ([`on_disconnect`](super::Builder::on_disconnect)), and
/// lists who is there: [`clients`](Self::clients) are to be called, [`peers`](Self::peers) to be looked at and closed.
/// Who may call what is for [`authorize`](aiomas_core::rpc::authorize) to say, around the root service or one within it.
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
#[must_use = "a server that is dropped serves nobody"]
pub struct RpcServer {
    pub(super) address: Address,
    pub(super) shared: Arc<ServerShared>,
    pub(super) admission: Arc<Mutex<Admission>>,
}

impl RpcServer {
    /// Where it listens, with the real port.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// The clients that are connected.
    #[must_use]
    pub fn clients(&self) -> Vec<RpcClient> {
        let connections = lock(&self.shared.connections).all();
        let connections = connections.into_iter().map(ConnectionRef::new);
        connections.map(RpcClient::of_connection).collect()
    }

    /// Who is connected: the same, to look at and to close without becoming a client of theirs.
    #[must_use]
    pub fn peers(&self) -> Vec<Peer> {
        let connections = lock(&self.shared.connections).all();
        connections.into_iter().map(Peer::of_connection).collect()
    }

    /// Counts of all connections: calls under way, calls and bytes so far.
    #[must_use]
    pub fn stats(&self) -> Connections {
        let (gone, connections) = lock(&self.shared.connections).counts();
        gone.with(&connections)
    }

    /// Counts of the connections that were accepted or refused.
    #[must_use]
    pub fn admission(&self) -> AdmissionStats {
        lock(&self.admission).stats()
    }

    /// Ends the server: no clients and calls are taken any more, what has been called is answered, within
    /// ten seconds (see [`Builder::drain`](super::Builder::drain)), and connections are closed.
    ///
    /// Within an async method of the server, the future ends at once, for the end waits for that method. Then it is as
    /// [`Context::stop`](crate::Context::stop).
    ///
    /// # Cancel safety
    /// It happens whether or not the future is awaited to its end, once it has been polled.
    pub async fn shutdown(self) {
        let within = self.shared.drain;
        self.shutdown_with(Close::AfterAnswers { within }).await;
    }

    /// As [`shutdown`](Self::shutdown), with a choice of what becomes of calls that have not been answered.
    ///
    /// # Cancel safety
    /// As [`shutdown`](Self::shutdown).
    pub async fn shutdown_with(self, how: Close) {
        self.shared.close(how);
        if !self.shared.id.is_current() {
            self.stopped().await;
        }
    }

    /// Waits until the server has ended: by [`shutdown`](Self::shutdown) or
    /// [`Context::stop`](crate::Context::stop). A program that does nothing else may as well
    /// [`serve`](super::Builder::serve).
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn stopped(&self) {
        let shared = &*self.shared;
        let mut waiting = Registration::new(shared);
        poll_fn(|cx| {
            // Before the look: the last connection may close in between.
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

/// What the handle and the connections of a server share.
pub(super) struct ServerShared {
    id: EndpointId,
    connections: Mutex<ConnectionTable>,
    /// The tasks that wait for the end.
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

    /// A connection of a stream that has come in, unless the server has ended.
    pub(super) fn admit(
        &self,
        settings: &Settings,
        stream: &Stream,
        handler: Arc<dyn Handler>,
    ) -> Option<Arc<Connection>> {
        let id = lock(&self.connections).next_id();
        let connection = settings.connection(stream, Side::Listener, id, false, handler);
        let mut connections = lock(&self.connections);
        // The end has not seen this connection: it must not be added.
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

    /// Takes what accepts clients. A service may have stopped the server by now.
    pub(super) fn listens(&self, listening: Canceller) {
        // A server listens once.
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

    /// Begins the end.
    fn close(&self, how: Close) {
        let connections = lock(&self.connections).close(how);
        self.cancel();
        for connection in connections {
            connection.close(how);
        }
        self.wakers.wake();
    }
}
