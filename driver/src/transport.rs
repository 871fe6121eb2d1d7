//! The streams, listeners and timers of a runtime.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::BytesMut;

use aiomas_core::agent::Address;
use aiomas_core::rpc::PeerCertificate;

/// A byte stream in both directions.
///
/// One task polls the whole stream, so one waker for each direction is enough. Reading and writing must not wait for
/// each other.
pub trait Transport: Send + 'static {
    /// Completes the setup that precedes the first byte, such as a handshake. Nothing is read or sent before it
    /// succeeds. After a failure it fails again, and [`poll_shutdown`](Self::poll_shutdown) informs the peer.
    ///
    /// # Errors
    /// The stream is unusable.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ = cx;
        Poll::Ready(Ok(()))
    }

    /// Enables keep-alive probes, so that the system breaks the stream of a dead peer. With `TCP_USER_TIMEOUT`, where
    /// available, it also breaks a stream with unacknowledged data. Streams within one machine need nothing.
    ///
    /// # Errors
    /// The system rejects the option, or the stream is broken.
    fn keep_alive(&mut self, how: KeepAlive) -> io::Result<()> {
        let _ = how;
        Ok(())
    }

    /// Appends available bytes to `input`, as many as its spare capacity takes. The caller provides spare capacity. 0
    /// is the end of the stream.
    ///
    /// # Errors
    /// The stream is broken.
    fn poll_recv(&mut self, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>>;

    /// Writes from the front of `output`, and returns the number of bytes; never 0 for non-empty output.
    ///
    /// # Errors
    /// The stream is broken.
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        output: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    /// Flushes written bytes, for streams that buffer output.
    ///
    /// # Errors
    /// The stream is broken.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let _ = cx;
        Poll::Ready(Ok(()))
    }

    /// Ends our side of the stream, so that the peer reads the end.
    ///
    /// # Errors
    /// The stream is broken.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Returns the peer's address in readable form.
    fn peer(&self) -> Option<String> {
        None
    }

    /// Returns the certificate that authenticates the peer, for streams that verify one.
    fn certificate(&self) -> Option<PeerCertificate> {
        None
    }
}

/// The box allows the driver to be compiled for one stream type.
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

/// When the system considers a peer dead: the interval of keep-alive probes (RFC 9293, 3.8.4), and the time limit for
/// retransmissions (RFC 5482).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeepAlive {
    /// The silence before the first probe, in whole seconds.
    pub after: Duration,
    /// The time between probes, in whole seconds.
    pub every: Duration,
    /// The number of unanswered probes after which the stream is broken.
    pub times: u32,
    /// The time that sent data may stay unacknowledged before the stream is broken. It also covers data unread behind
    /// the peer's closed window. The system sends keep-alive probes only to a peer that owes no acknowledgement, and by
    /// default it retransmits for a quarter of an hour.
    pub unacknowledged: Duration,
}

impl KeepAlive {
    /// Detects a dead peer within 2 × `silence`. `silence` is clamped to between one second and nine hours, the most
    /// that systems accept.
    #[must_use]
    pub fn new(silence: Duration) -> Self {
        const TIMES: u32 = 6;
        let after = silence.clamp(Duration::from_secs(1), Duration::from_secs(9 * 3600));
        let every = Duration::from_secs((after / TIMES).as_secs().max(1));
        Self { after, every, times: TIMES, unacknowledged: after * 2 }
    }
}

/// A listening socket.
pub trait Listener: Send + 'static {
    /// The type of accepted streams.
    type Stream: Transport;

    /// Accepts the next stream. The driver continues after an error, which concerns a single stream or a temporary lack
    /// of file descriptors.
    ///
    /// # Errors
    /// An error of the system.
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Self::Stream>>;

    /// Reports that an accepted stream failed to [open](Transport::poll_open), or timed out. `peer` is the address of its
    /// peer.
    fn refused(&self, peer: Option<&str>, error: &io::Error) {
        let _ = (peer, error);
    }

    /// Returns the address, with the real port.
    ///
    /// # Errors
    /// An error of the system.
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

/// A resettable timer. It does not end early, unless its runtime has ended: then it always has.
pub trait Timer: Send + 'static {
    /// Sets the timer to end at `at`.
    fn set(&mut self, at: Instant);

    /// Returns ready once the time last [`set`](Self::set) has come.
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
