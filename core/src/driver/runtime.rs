//! What the driver needs of an async runtime: sockets, a timer, a way to start tasks.

use std::future::Future;
use std::io::{self, IoSlice};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::local::LocalNames;
use crate::agent::Address;
use crate::rpc::PeerCertificate;

/// An async runtime. An adapter implements it for a small value such as `Tokio`.
///
/// Only sockets, timers and tasks are asked for. `local://` addresses never get here.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// An open stream.
    type Stream: Transport;
    /// A socket that listens.
    type Listener: Listener<Stream = Self::Stream>;
    /// A timer.
    type Timer: Timer;

    /// What time it is. Simulated runtimes have a time of their own.
    fn now(&self) -> Instant {
        Instant::now()
    }

    /// What date it is, as time since the start of 1970. Simulated runtimes have dates of their own.
    fn since_epoch(&self) -> Duration {
        std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
    }

    /// What randomness is made of: the jitter of waits. Simulated runtimes have a seed.
    fn seed(&self) -> u64 {
        use std::hash::{BuildHasher, RandomState};
        // `std` seeds each of these anew.
        RandomState::new().hash_one(0)
    }

    /// Who listens at `local://` addresses. Simulated runtimes have a table of their own.
    fn local(&self) -> LocalNames {
        LocalNames::process()
    }

    /// A timer that is not set.
    fn timer(&self) -> Self::Timer;

    /// Runs a task to its end. Nobody waits for it.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);

    /// Opens a stream to a TCP or Unix socket, without delays for small writes (`TCP_NODELAY`).
    ///
    /// # Errors
    /// Nobody listens there, or whatever else the system says. Dropping the future gives the attempt up.
    fn dial(&self, to: Address) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static;

    /// Listens on a TCP or Unix socket. The file that a process has left behind that is no more is
    /// replaced; anything else in the place of a Unix socket is an error.
    ///
    /// # Errors
    /// The address is taken, or whatever else the system says.
    fn listen(
        &self,
        on: Address,
    ) -> impl Future<Output = io::Result<Self::Listener>> + Send + 'static;
}

/// A byte stream in both directions.
///
/// One task polls all of it, so one waker for each direction is enough. Reading and writing must not
/// wait for each other.
pub trait Transport: Send + 'static {
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

    /// Where it listens, with the real port.
    ///
    /// # Errors
    /// Whatever the system says.
    fn address(&self) -> io::Result<Address>;
}

/// A timer that can be set anew.
pub trait Timer: Send + 'static {
    /// Lets it end at `at`.
    fn set(&mut self, at: Instant);

    /// Whether the time has come that was [`set`](Self::set) last.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}
