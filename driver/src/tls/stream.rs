//! A stream within TLS.

use std::fmt;
use std::io::{self, BufRead, ErrorKind, IoSlice, Write};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, BytesMut};
use rustls::Connection as Session;

use super::certificate;
use super::config::Source;
use super::reason::reason;
use crate::transport::{KeepAlive, Transport};
use aiomas_core::connection::TlsError;
use aiomas_core::rpc::PeerCertificate;

/// The number of bytes that may be encrypted before the transport has taken them.
const MAX_OUTPUT: usize = 64 * 1024;
/// The minimum and maximum size of a read.
const READ: std::ops::RangeInclusive<usize> = 4 * 1024..=64 * 1024;
/// The number of bytes that a peer may still send after a failed handshake.
const MAX_IGNORED: usize = 256 * 1024;
/// The number of reads without content before other tasks run.
const MAX_EMPTY: u32 = 16;

/// A transport within TLS, which [opens](Transport::poll_open) with a handshake.
///
/// It buffers at most 64 KiB of encrypted, unwritten bytes, and 64 KiB of unread input, beside the one incomplete
/// record.
pub struct Tls<T> {
    transport: T,
    session: Session,
    /// The files of our certificate and authorities, for errors.
    source: Option<Arc<Source>>,
    /// Received bytes, still encrypted.
    input: BytesMut,
    /// The peer has sent its end notice.
    ended: bool,
    /// The error that made the input unreadable.
    failed: Option<TlsError>,
    /// Our end notice is sent.
    said_end: bool,
    /// The number of bytes received after a failed handshake.
    ignored: usize,
}

impl<T: Transport> Tls<T> {
    pub(super) fn new(
        transport: T,
        session: impl Into<Session>,
        source: Option<Arc<Source>>,
    ) -> Self {
        let mut session = session.into();
        session.set_buffer_limit(Some(MAX_OUTPUT));
        Self {
            transport,
            session,
            source,
            input: BytesMut::new(),
            ended: false,
            failed: None,
            said_end: false,
            ignored: 0,
        }
    }

    fn poll_hello(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            // A peer that has ended the stream may have sent the reason before.
            let pushed = self.push(cx);
            if !self.session.is_handshaking() && !matches!(pushed, Poll::Ready(Err(_))) {
                return pushed;
            }
            match (self.pull(cx, 0), pushed) {
                (Poll::Pending, Poll::Ready(Err(error))) => return Poll::Ready(Err(error)),
                (Poll::Pending, _) => return Poll::Pending,
                (Poll::Ready(Err(error)), pushed) => {
                    let said = TlsError::of(&error).is_some();
                    return Poll::Ready(Err(match pushed {
                        Poll::Ready(Err(pushed)) if !said => pushed,
                        _ => error,
                    }));
                }
                (Poll::Ready(Ok(())), _) => {}
            }
        }
    }

    /// Sends the peer the reason of a failed handshake, and awaits the stream's end. Ending the stream while more input
    /// arrives would make the system report a broken stream, and nothing else.
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.said_end {
            ready!(self.push(cx))?;
            ready!(self.transport.poll_shutdown(cx))?;
            self.said_end = true;
        }
        while self.ignored < MAX_IGNORED {
            self.input.clear();
            self.input.reserve(*READ.start());
            match ready!(self.transport.poll_recv(cx, &mut self.input))? {
                0 => break,
                count => self.ignored += count,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Writes the encrypted bytes.
    fn push(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.session.wants_write() {
            let mut sink = Sink { transport: &mut self.transport, cx };
            match self.session.write_tls(&mut sink) {
                Ok(0) => return Poll::Ready(Err(ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        self.transport.poll_flush(cx)
    }

    /// Reads about `size` bytes, and decrypts the complete records.
    fn pull(&mut self, cx: &mut Context<'_>, size: usize) -> Poll<io::Result<()>> {
        if self.input.is_empty() {
            self.input.reserve(size.clamp(*READ.start(), *READ.end()));
            match self.transport.poll_recv(cx, &mut self.input) {
                Poll::Pending => {
                    // An idle connection keeps no buffer.
                    self.input = BytesMut::new();
                    return Poll::Pending;
                }
                Poll::Ready(Ok(0)) => {
                    let closed = self.session.is_handshaking();
                    let error = if closed { TlsError::Closed } else { TlsError::Truncated };
                    return Poll::Ready(self.fail(error));
                }
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            }
        }
        let decrypted = self.decrypt();
        // Writes alerts and the like. If they cannot be written now, the next write includes them.
        let _pushed = self.push(cx);
        Poll::Ready(decrypted)
    }

    /// Decrypts until content is available, or the input is used up.
    fn decrypt(&mut self) -> io::Result<()> {
        while !self.input.is_empty() && !self.ended {
            let mut input = &self.input[..];
            let taken = self.session.read_tls(&mut input);
            let left = input.len();
            self.input.advance(self.input.len() - left);
            if let Err(error) = taken {
                // The announced length exceeds the limit of a handshake.
                return self.fail(TlsError::Invalid { what: error.to_string().into() });
            }
            match self.session.process_new_packets() {
                Ok(state) => {
                    self.ended = state.peer_has_closed();
                    if state.plaintext_bytes_to_read() > 0 {
                        break;
                    }
                }
                Err(error) => {
                    let early = self.session.is_handshaking();
                    return self.fail(reason(&error, early, self.source.as_deref()));
                }
            }
        }
        if self.ended {
            // Input after the end is not content.
            self.input = BytesMut::new();
        }
        if self.ended && self.session.is_handshaking() {
            return self.fail(TlsError::Closed);
        }
        Ok(())
    }

    fn fail(&mut self, error: TlsError) -> io::Result<()> {
        self.failed = Some(error.clone());
        self.input = BytesMut::new();
        Err(error.into())
    }

    /// Moves decrypted bytes into `output`, as far as there is room.
    fn take(&mut self, output: &mut BytesMut) -> usize {
        let (before, mut room) = (output.len(), output.capacity() - output.len());
        let mut reader = self.session.reader();
        while room > 0 {
            let count = match reader.fill_buf() {
                Ok(chunk) if !chunk.is_empty() => {
                    let count = chunk.len().min(room);
                    output.extend_from_slice(&chunk[..count]);
                    count
                }
                _ => break,
            };
            reader.consume(count);
            room -= count;
        }
        output.len() - before
    }
}

impl<T: Transport> Transport for Tls<T> {
    fn keep_alive(&mut self, how: KeepAlive) -> io::Result<()> {
        self.transport.keep_alive(how)
    }

    /// Runs the handshake: ends when all of its messages are received and sent.
    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(error) = &self.failed {
            return Poll::Ready(Err(error.clone().into()));
        }
        self.poll_hello(cx).map_err(|error| match error.kind() {
            // A peer without TLS may close before it has read everything.
            ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
                TlsError::Closed.into()
            }
            _ => error,
        })
    }

    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        output: &mut BytesMut,
    ) -> Poll<io::Result<usize>> {
        let room = output.capacity() - output.len();
        // Writes alerts and the like that could not be written when they were due. A later read or write reports an
        // error.
        let _pushed = self.push(cx);
        for _ in 0..MAX_EMPTY {
            let count = self.take(output);
            if count > 0 {
                return Poll::Ready(Ok(count));
            }
            if let Some(error) = &self.failed {
                return Poll::Ready(Err(error.clone().into()));
            }
            if self.ended {
                return Poll::Ready(Ok(0));
            }
            // Content decrypted before the error comes first.
            match ready!(self.pull(cx, room)) {
                Err(error) if TlsError::of(&error).is_none() => return Poll::Ready(Err(error)),
                _ => {}
            }
        }
        // More input without content may follow. The caller yields to other tasks before it continues.
        Poll::Ready(Err(ErrorKind::Interrupted.into()))
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        output: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // Frees room for more output.
        ready!(self.push(cx))?;
        let count = self.session.writer().write_vectored(output).map_err(|error| {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            let source = self.source.as_deref();
            inner.map_or_else(
                || io::Error::from(error.kind()),
                |inner| reason(inner, false, source).into(),
            )
        })?;
        match self.push(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            // The rest is written first next time.
            _ => Poll::Ready(Ok(count)),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.push(cx)
    }

    /// Sends the end notice, so that an attacker cannot cut the stream unnoticed.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.failed.is_some() && self.session.is_handshaking() {
            return self.poll_part(cx);
        }
        if !std::mem::replace(&mut self.said_end, true) {
            self.session.send_close_notify();
        }
        ready!(self.push(cx))?;
        self.transport.poll_shutdown(cx)
    }

    fn peer(&self) -> Option<String> {
        self.transport.peer()
    }

    fn certificate(&self) -> Option<PeerCertificate> {
        certificate::of_chain(self.session.peer_certificates()?)
    }
}

/// Adapts a transport to rustls' writer.
struct Sink<'a, 'b, T> {
    transport: &'a mut T,
    cx: &'a mut Context<'b>,
}

impl<T: Transport> Write for Sink<'_, '_, T> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self.transport.poll_send(self.cx, slices) {
            Poll::Ready(written) => written,
            Poll::Pending => Err(ErrorKind::WouldBlock.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<T> fmt::Debug for Tls<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls")
            .field("version", &self.session.protocol_version())
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
