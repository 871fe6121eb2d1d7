//! Streams, listeners and timers of a runtime.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::BytesMut;

use aiomas_core::agent::Address;
use aiomas_core::rpc::PeerCertificate;

/// A byte stream in both directions.
///
/// One task polls all of it, so one waker for each direction is enough. Reading and writing must not
/// wait for each other.
pub trait Transport: Send + 'static {
    /// Does what comes before the first byte, such as a handshake. Nothing is read or sent before it has ended well;
    /// when it has failed, it fails again, and [`poll_shutdown`](Self::poll_shutdown) tells the peer.
    ///
    /// # Errors
    /// The stream cannot be used.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ = cx;
        Poll::Ready(Ok(()))
    }

    /// Lets the system ask whether the peer's machine is still there, and break the stream if it is not, or if it does not
    /// acknowledge what it is sent (`TCP_USER_TIMEOUT`, where there is such an option). There is nothing to be done for
    /// streams within one machine.
    ///
    /// # Errors
    /// The system says so, or the stream is broken.
    fn keep_alive(&mut self, how: KeepAlive) -> io::Result<()> {
        let _ = how;
        Ok(())
    }

    /// Reads behind what `input` holds already, as much as is there and `input` has room for; there is
    /// some. 0 is the end of the stream.
    ///
    /// # Errors
    /// The stream is broken.
    fn poll_recv(&mut self, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>>;

    /// Writes from the front of `output`, and returns how many bytes; never 0 of some.
    ///
    /// # Errors
    /// The stream is broken.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        output: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    /// Makes sure that what was written goes out, for streams that keep something back.
    ///
    /// # Errors
    /// The stream is broken.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ = cx;
        Poll::Ready(Ok(()))
    }

    /// Ends our side of the stream, so that the peer reads its end.
    ///
    /// # Errors
    /// The stream is broken.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Who is at the other end, for people.
    fn peer(&self) -> Option<String> {
        None
    }

    /// By which certificate the other end has proven who it is, for streams that see to that.
    fn certificate(&self) -> Option<PeerCertificate> {
        None
    }
}

/// So that the driver is compiled for one type of stream.
impl Transport for Box<dyn Transport> {
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        (**self).poll_open(cx)
    }

    fn keep_alive(&mut self, how: KeepAlive) -> io::Result<()> {
        (**self).keep_alive(how)
    }

    #[inline]
    fn poll_recv(&mut self, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        (**self).poll_recv(cx, input)
    }

    #[inline]
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        output: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        (**self).poll_send(cx, output)
    }

    #[inline]
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        (**self).poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        (**self).poll_shutdown(cx)
    }

    fn peer(&self) -> Option<String> {
        (**self).peer()
    }

    fn certificate(&self) -> Option<PeerCertificate> {
        (**self).certificate()
    }
}

/// When the system takes a peer for dead: how it asks one that is silent whether it is still there (RFC 9293, 3.8.4), and
/// how long it sends again what is not acknowledged (RFC 5482).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeepAlive {
    /// After so long without anything from the peer, in whole seconds.
    pub after: Duration,
    /// Then again each time so long has passed, in whole seconds.
    pub every: Duration,
    /// So often; then the stream is broken.
    pub times: u32,
    /// What was sent may go unacknowledged, or unread by a peer whose window is closed, for so long; then the stream is
    /// broken. Keep-alive asks only a peer that owes nothing, and a system sends again for a quarter of an hour.
    pub unacknowledged: Duration,
}

impl KeepAlive {
    /// Finds a dead peer within twice `silence`, which is taken as at least a second and at most nine hours: systems take
    /// no more.
    #[must_use]
    pub fn new(silence: Duration) -> Self {
        const TIMES: u32 = 6;
        let after = silence.clamp(Duration::from_secs(1), Duration::from_secs(9 * 3600));
        let every = Duration::from_secs((after / TIMES).as_secs().max(1));
        Self { after, every, times: TIMES, unacknowledged: after * 2 }
    }
}

/// A socket that streams come in by.
pub trait Listener: Send + 'static {
    /// What comes in.
    type Stream: Transport;

    /// The next stream. The driver goes on after an error: it speaks of one stream, or of the lack of
    /// file descriptors, which passes.
    ///
    /// # Errors
    /// Whatever the system says.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Self::Stream>>;

    /// Hears that a stream which it has accepted could not be [opened](Transport::poll_open), or not in time, and from
    /// whom it was.
    fn refused(&self, peer: Option<&str>, error: &io::Error) {
        let _ = (peer, error);
    }

    /// Where it listens, with the real port.
    ///
    /// # Errors
    /// Whatever the system says.
    fn address(&self) -> io::Result<Address>;
}

impl<S: Transport> Listener for Box<dyn Listener<Stream = S>> {
    type Stream = S;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<S>> {
        (**self).poll_accept(cx)
    }

    fn refused(&self, peer: Option<&str>, error: &io::Error) {
        (**self).refused(peer, error);
    }

    fn address(&self) -> io::Result<Address> {
        (**self).address()
    }
}

/// A timer that can be set anew. It does not end before its time, unless its runtime has ended: then it always has.
pub trait Timer: Send + 'static {
    /// Lets it end at `at`.
    fn set(&mut self, at: Instant);

    /// Whether the time has come that was [`set`](Self::set) last.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

impl Timer for Box<dyn Timer> {
    #[inline]
    fn set(&mut self, at: Instant) {
        (**self).set(at);
    }

    #[inline]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        (**self).poll(cx)
    }
}
