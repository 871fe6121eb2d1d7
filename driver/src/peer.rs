//! Who is connected.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Instant;

use super::connection::Connection;
use super::peer_context::PeerContext;
use aiomas_core::connection::{Close, CloseReason, Side, Stats};
use aiomas_core::rpc::{Caller, PeerCertificate};
use aiomas_core::wire::{Codec, CodecContext};

/// A peer, and the connection to it: what channels and clients have, what servers and containers list, and what a
/// method finds in its [`Context`](super::Context).
///
/// It tells who the peer is, and ends the connection. It is no share in it: a connection lives as long as it would
/// without. Cloning it is cheap.
#[derive(Clone)]
pub struct Peer(Arc<Connection>);

impl Peer {
    pub(super) const fn of_connection(connection: Arc<Connection>) -> Self {
        Self(connection)
    }

    /// The one that a value with this scope came from.
    pub(super) fn of_codec_context(codec_context: &CodecContext) -> Option<Self> {
        match PeerContext::of(codec_context)? {
            PeerContext::Connection(connection) => connection.upgrade().map(Self),
            PeerContext::LocalDispatch(_) => None,
        }
    }

    /// The number of the connection on its server or container, by which services know it
    /// ([`Caller::id`]). None is used twice.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.id()
    }

    /// The peer's address, if it has one.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        self.caller().address.as_deref()
    }

    /// The certificate by which the peer has proven who it is, if TLS is spoken.
    #[must_use]
    pub fn certificate(&self) -> Option<&PeerCertificate> {
        self.caller().certificate.as_deref()
    }

    /// The peer as services know it.
    #[must_use]
    pub fn caller(&self) -> &Caller {
        self.0.caller()
    }

    /// How the connection is at present.
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

    /// Closes the connection: no calls are taken any more, and what has been called is answered first, the running
    /// method of whoever closes it included, within ten seconds (see [`Builder::drain`](super::Builder::drain)).
    pub fn close(&self) {
        self.close_with(Close::AfterAnswers { within: self.0.drain() });
    }

    /// As [`close`](Self::close), with a choice of what becomes of calls that have not been answered. With [`Close::Now`]
    /// nothing more is written; methods that run go on, but nobody hears of what they return.
    pub fn close_with(&self, how: Close) {
        self.0.close(how);
    }

    /// Waits until the connection is closed, and tells why.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn closed(&self) -> CloseReason {
        self.0.closed().await
    }
}

/// How the connection to a [`Peer`] is at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerState {
    /// Whether calls are taken. While it is closing, what has been called may still be answered.
    pub open: bool,
    /// Which end we are: who has opened the connection is the dialler.
    pub side: Side,
    /// When it was opened, by the runtime's clock.
    pub since: Instant,
    /// What we write.
    pub codec: Codec,
    /// How many calls of the peer have not been answered.
    pub calls_in: usize,
    /// How many of our calls the peer has not answered.
    pub calls_out: usize,
    /// How many bytes wait to be written, or are not known to have been.
    pub bytes_queued: usize,
    /// Counts of what went over it.
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
