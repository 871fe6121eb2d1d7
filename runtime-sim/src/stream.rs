//! Ends of streams.

use std::fmt;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll};

use aiomas::{KeepAlive, Transport, waits};
use bytes::BytesMut;

use crate::net::HalfStreamId;
use crate::world::World;

/// One end of a stream between two hosts.
pub struct Stream {
    world: Arc<World>,
    /// The half stream that this end writes to.
    half_stream: HalfStreamId,
}

impl Stream {
    pub(crate) const fn new(world: Arc<World>, half_stream: HalfStreamId) -> Self {
        Self { world, half_stream }
    }

    fn peer_name(&self) -> Option<Arc<str>> {
        self.world.lock().net.peer(self.half_stream)
    }

    #[cold]
    fn waits(&self, to: &str) {
        waits::note(|| {
            format!("to {to} {}", self.peer_name().as_deref().unwrap_or("a closed stream"))
        });
    }
}

impl Transport for Stream {
    fn keep_alive(&mut self, how: KeepAlive) -> io::Result<()> {
        let time = how.after.saturating_add(how.every.saturating_mul(how.times));
        self.world.lock().net.keep_alive(self.half_stream, time);
        Ok(())
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        let received = self.world.change(|state| {
            let half_stream = self.half_stream.back();
            let received = state.net.receive(&mut state.env, half_stream, input);
            if received.is_none() {
                state.net.wait_to_read(half_stream, cx.waker());
            }
            received
        });
        match received {
            Some(received) => Poll::Ready(received.map_err(Into::into)),
            None => {
                self.waits("read from");
                Poll::Pending
            }
        }
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        output: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let sent = self.world.change(|state| {
            let sent = state.net.send(&mut state.env, self.half_stream, output);
            if sent.is_none() {
                state.net.wait_to_write(self.half_stream, cx.waker());
            }
            sent
        });
        match sent {
            Some(sent) => Poll::Ready(sent.map_err(Into::into)),
            None => {
                self.waits("write to");
                Poll::Pending
            }
        }
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.world.change(|state| state.net.end(&mut state.env, self.half_stream));
        Poll::Ready(Ok(()))
    }

    fn peer(&self) -> Option<String> {
        self.peer_name().map(|name| name.to_string())
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.world.change(|state| state.net.discard(&mut state.env, self.half_stream));
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stream").field(&self.peer_name()).finish()
    }
}
