//! Connected peers.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Instant;

use super::connection::Connection;
use super::peer_context::PeerContext;
use aiomas_core::connection::{Close, CloseReason, Side, Stats};
use aiomas_core::rpc::{Caller, PeerCertificate};
use aiomas_core::wire::{Codec, CodecContext};

/// A peer and its connection. Channels and clients have one, servers and containers list them, and a method finds one
/// in its [`Context`](super::Context).
///
/// It identifies the peer, and can close the connection. Holding a `Peer` does not keep the connection open. Cloning it
/// is cheap.
#[derive(Clone)]
pub struct Peer(Arc<Connection>);

impl Peer {
    pub(super) const fn of_connection(connection: Arc<Connection>) -> Self {
        Self(connection)
    }

    /// Returns the peer that sent the value with this codec context.
    pub(super) fn of_codec_context(codec_context: &CodecContext) -> Option<Self> {
        match PeerContext::of(codec_context)? {
            PeerContext::Connection(connection) => connection.upgrade().map(Self),
            PeerContext::LocalDispatch(_) => None,
        }
    }

    /// Returns the number of the connection on its server or container. Services know the connection by it
    /// ([`Caller::id`]). No number is used twice.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.id()
    }

    /// Returns the peer's address, if it has one.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        self.caller().address.as_deref()
    }

    /// Returns the certificate that authenticates the peer, with TLS.
    #[must_use]
    pub fn certificate(&self) -> Option<&PeerCertificate> {
        self.caller().certificate.as_deref()
    }

    /// Returns the peer as services know it.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        self.0.caller()
    }

    /// Returns the present state of the connection.
    #[must_use]
    pub fn state(&self) -> PeerState {
        self.0.look(|machine| PeerState {
            open: machine.is_open(),
            side: machine.side(),
            since: machine.opened(),
            codec: machine.codec(),
            calls_in: machine.calls_in(),
            calls_out: machine.calls_out(),
            bytes_queued: machine.bytes_queued(),
            stats: machine.stats(),
        })
    }

    /// Closes the connection: no more calls are accepted, and pending calls are answered first, within ten seconds (see
    /// [`Builder::drain`](super::Builder::drain)). A method that closes its own connection is among them.
    pub fn close(&self) {
        self.close_with(Close::AfterAnswers { within: self.0.drain() });
    }

    /// Closes the connection; `how` decides the fate of unanswered calls. With [`Close::Now`] nothing more is written;
    /// running methods go on, but their results are discarded.
    pub fn close_with(&self, how: Close) {
        self.0.close(how);
    }

    /// Waits until the connection is closed, and returns the reason.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn closed(&self) -> CloseReason {
        self.0.closed().await
    }
}

/// A snapshot of the connection to a [`Peer`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerState {
    /// Whether calls are accepted. While the connection closes, pending calls may still be answered.
    pub open: bool,
    /// Our side: the dialler opened the connection.
    pub side: Side,
    /// When the connection was opened, by the runtime's clock.
    pub since: Instant,
    /// The codec that we write.
    pub codec: Codec,
    /// The number of the peer's unanswered calls.
    pub calls_in: usize,
    /// The number of our unanswered calls.
    pub calls_out: usize,
    /// The number of bytes queued, or not known to be written.
    pub bytes_queued: usize,
    /// Counters of the connection.
    pub stats: Stats,
}

impl PartialEq for Peer {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Peer {}

impl Hash for Peer {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.0).hash(state);
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer")
            .field("id", &self.id())
            .field("address", &self.address())
            .field("certificate", &self.certificate().map(|certificate| &certificate.subject))
            .finish()
    }
}
