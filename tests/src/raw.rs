//! A peer without a connection's behaviour: it writes any bytes, need not read, and may end one
//! side only.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind, IoSlice};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use aiomas::{Listener, Runtime, Timer, Transport};
use aiomas_core::agent::Address;
use bytes::{Buf, Bytes, BytesMut};

/// More time than any step takes, even on a busy machine.
const LONG: Duration = Duration::from_secs(300);

/// The longest accepted payload.
const MAX_PAYLOAD: usize = 1 << 24;

/// A stream that a test controls byte by byte.
pub struct Raw<R: Runtime> {
    runtime: R,
    stream: R::Stream,
    input: BytesMut,
}

impl<R: Runtime> Raw<R> {
    /// Opens a stream.
    ///
    /// # Errors
    /// The runtime cannot connect.
    pub async fn dial(runtime: &R, to: &Address) -> io::Result<Self> {
        let stream = soon(runtime, Runtime::dial(runtime, to.clone())).await?;
        Ok(Self::new(runtime, stream))
    }

    /// Accepts the next stream.
    ///
    /// # Errors
    /// The runtime cannot accept.
    pub async fn accept(runtime: &R, listener: &mut R::Listener) -> io::Result<Self> {
        let stream = soon(runtime, poll_fn(|cx| listener.poll_accept(cx))).await?;
        Ok(Self::new(runtime, stream))
    }

    fn new(runtime: &R, stream: R::Stream) -> Self {
        Self { runtime: runtime.clone(), stream, input: BytesMut::new() }
    }

    /// Writes all bytes, and waits until they are written.
    ///
    /// # Errors
    /// The peer has closed the stream.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut left = bytes;
        while !left.is_empty() {
            let sent = poll_fn(|cx| self.stream.poll_send(cx, &[IoSlice::new(left)]));
            left = &left[soon(&self.runtime, sent).await?..];
        }
        soon(&self.runtime, poll_fn(|cx| self.stream.poll_flush(cx))).await
    }

    /// Writes a call of `path` with a text of `length` bytes, in small pieces.
    ///
    /// # Errors
    /// The peer has closed the stream.
    pub async fn write_text(&mut self, id: usize, path: &str, length: usize) -> io::Result<()> {
        let before = format!("[0, {id}, [\"{path}\", [\"");
        self.write_filled(before.as_bytes(), b'x', length, b"\"], {}]]").await
    }

    /// Writes a message with a run of one byte, in small pieces.
    ///
    /// # Errors
    /// The peer has closed the stream.
    pub async fn write_filled(
        &mut self,
        before: &[u8],
        fill: u8,
        length: usize,
        behind: &[u8],
    ) -> io::Result<()> {
        let payload = u32::try_from(before.len() + length + behind.len()).expect("no 4 GiB");
        self.write(&payload.to_be_bytes()).await?;
        self.write(before).await?;
        let pieces = [fill; 128];
        let mut left = length;
        while left > 0 {
            let piece = left.min(pieces.len());
            self.write(&pieces[..piece]).await?;
            left -= piece;
        }
        self.write(behind).await
    }

    /// Ends our side.
    ///
    /// # Errors
    /// The peer has closed the stream.
    pub async fn end(&mut self) -> io::Result<()> {
        soon(&self.runtime, poll_fn(|cx| self.stream.poll_shutdown(cx))).await
    }

    /// Returns the next payload, or `None` if the stream has ended or broken.
    pub async fn read(&mut self) -> Option<Bytes> {
        self.try_read().await.unwrap_or_default()
    }

    /// Returns the payload of the next frame, or `None` at the end.
    ///
    /// # Errors
    /// The stream is broken, or has ended within a frame.
    pub async fn try_read(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            if let Some(header) = self.input.first_chunk() {
                let length = u32::from_be_bytes(*header) as usize;
                assert!(length <= MAX_PAYLOAD, "the peer announces {length} bytes");
                if self.input.len() >= 4 + length {
                    self.input.advance(4);
                    return Ok(Some(self.input.split_to(length).freeze()));
                }
            }
            if self.more().await? == 0 {
                let is_whole = self.input.is_empty();
                return if is_whole { Ok(None) } else { Err(ErrorKind::UnexpectedEof.into()) };
            }
        }
    }

    /// Reads up to the end or the error of the stream. Returns the number of bytes.
    pub async fn drain(&mut self) -> usize {
        let mut count = 0;
        loop {
            self.input.clear();
            match self.more().await.unwrap_or_default() {
                0 => return count,
                more => count += more,
            }
        }
    }

    /// Waits.
    pub async fn pause(&mut self, time: Duration) {
        let runtime = self.runtime.clone();
        pause(&runtime, time).await;
    }

    /// Reads available bytes; 0 is the end.
    async fn more(&mut self) -> io::Result<usize> {
        self.input.reserve(16 * 1024);
        let read = poll_fn(|cx| self.stream.poll_recv(cx, &mut self.input));
        soon(&self.runtime, read).await
    }
}

impl<R: Runtime> fmt::Debug for Raw<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Raw").field(&self.stream.peer()).finish()
    }
}

/// Waits.
pub(crate) async fn pause<R: Runtime>(runtime: &R, time: Duration) {
    let mut timer = runtime.timer();
    timer.set(runtime.now() + time);
    poll_fn(|cx| timer.poll(cx)).await;
}

/// Returns the output of `future`, unless it takes longer than `time`.
pub(crate) async fn within<R: Runtime, T>(
    runtime: &R,
    time: Duration,
    future: impl Future<Output = T>,
) -> Option<T> {
    let mut timer = runtime.timer();
    timer.set(runtime.now() + time);
    let mut future = pin!(future);
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => timer.poll(cx).map(|()| None),
    })
    .await
}

pub(crate) async fn soon<R: Runtime, T>(runtime: &R, future: impl Future<Output = T>) -> T {
    within(runtime, LONG, future).await.expect("no timeout")
}
