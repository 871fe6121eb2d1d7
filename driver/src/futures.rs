//! Sockets of runtimes on `futures-io` and `async-io`: smol and async-std.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::net::{Shutdown, TcpStream};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::BytesMut;
use futures_io::{AsyncRead, AsyncWrite};

use super::transport::{KeepAlive, Transport};

/// An open socket.
#[derive(Debug)]
pub struct Stream<S> {
    socket: S,
    how: How<S>,
    peer: Option<String>,
    /// The last read was short: the runtime signals when more input is available.
    drained: bool,
}

/// Operations that the traits lack.
#[derive(Debug)]
pub struct How<S> {
    /// Waits until input is available.
    pub readable: fn(&S, &mut Context<'_>) -> Poll<io::Result<()>>,
    /// Shuts a direction down. The traits' way to close a socket need not do anything.
    pub shutdown: fn(&S, Shutdown) -> io::Result<()>,
    /// Enables keep-alive probes.
    pub keep_alive: fn(&S, KeepAlive) -> io::Result<()>,
}

impl<S> Stream<S> {
    /// Wraps a socket, with the operations that the traits lack. `peer` is the peer's address, if it has one.
    pub const fn new(socket: S, how: How<S>, peer: Option<String>) -> Self {
        Self { socket, how, peer, drained: false }
    }

    /// Returns the socket.
    pub const fn socket(&self) -> &S {
        &self.socket
    }
}

/// The maximum size of a read.
const MAX_READ: usize = 64 * 1024;

thread_local! {
    /// The buffer for reads: the traits read into initialised memory only, and copying the received bytes is cheaper
    /// than initialising the spare capacity.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Transport for Stream<S> {
    fn keep_alive(&mut self, how: KeepAlive) -> io::Result<()> {
        (self.how.keep_alive)(&self.socket, how)
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        // A read that finds nothing would cost a system call for each message.
        if self.drained {
            ready!((self.how.readable)(&self.socket, cx))?;
            self.drained = false;
        }
        let room = MAX_READ.min(input.capacity() - input.len());
        let mut scratch = SCRATCH.take();
        if scratch.len() < room {
            scratch.resize(room, 0);
        }
        let read = Pin::new(&mut self.socket).poll_read(cx, &mut scratch[..room]);
        if let Poll::Ready(Ok(count)) = read {
            input.extend_from_slice(&scratch[..count]);
            // After the end of the stream no input follows.
            self.drained = 0 < count && count < room;
        }
        SCRATCH.set(scratch);
        read
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        output: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, output)
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready((self.how.shutdown)(&self.socket, Shutdown::Write))
    }

    fn peer(&self) -> Option<String> {
        self.peer.clone()
    }
}

/// See [`Sockets::reset`](super::sockets::Sockets::reset).
///
/// # Errors
/// The system's error.
pub fn reset(socket: &TcpStream) -> io::Result<()> {
    socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO))
}

/// Implements [`Sockets`](crate::sockets::Sockets) for a runtime with the sockets of `async-io`, such as smol and
/// async-std.
///
/// `io` is the crate that exports `Async`.
#[macro_export]
macro_rules! futures_sockets {
    (runtime: $runtime:ty; io: $io:ident) => {
        use std::future::Future;
        use std::io;
        use std::net::{SocketAddr, TcpListener, TcpStream};
        #[cfg(unix)]
        use std::os::unix::net::{UnixListener, UnixStream};
        use std::task::{Context, Poll, ready};

        use $crate::futures::{self, How, Stream as FuturesStream};
        use $crate::sockets::{self, Sockets};
        use $io::Async;

        /// An open TCP or Unix socket.
        pub type Stream = sockets::Stream<$runtime>;
        /// A listening TCP or Unix socket.
        pub type Acceptor = sockets::Acceptor<$runtime>;

        fn tcp(stream: Async<TcpStream>) -> io::Result<FuturesStream<Async<TcpStream>>> {
            // The driver gathers messages before it writes, so the kernel need not delay small writes.
            stream.get_ref().set_nodelay(true)?;
            let peer = stream.get_ref().peer_addr().ok().map(|peer| format!("tcp://{peer}"));
            let how: How<Async<TcpStream>> = How {
                readable: |stream, cx| stream.poll_readable(cx),
                shutdown: |stream, how| stream.get_ref().shutdown(how),
                keep_alive: |stream, how| sockets::keep_alive(stream.get_ref(), how),
            };
            Ok(FuturesStream::new(stream, how, peer))
        }

        #[cfg(unix)]
        fn unix(stream: UnixStream) -> io::Result<FuturesStream<Async<UnixStream>>> {
            let how: How<Async<UnixStream>> = How {
                readable: |stream, cx| stream.poll_readable(cx),
                shutdown: |stream, how| stream.get_ref().shutdown(how),
                keep_alive: |_, _| Ok(()),
            };
            Ok(FuturesStream::new(Async::new(stream)?, how, None))
        }

        /// Accepts a stream, at once or when one comes.
        fn accept<L, T>(
            listener: &Async<L>,
            accept: impl Fn(&L) -> io::Result<T>,
            cx: &mut Context<'_>,
        ) -> Poll<io::Result<T>> {
            loop {
                match accept(listener.get_ref()) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    accepted => return Poll::Ready(accepted),
                }
                ready!(listener.poll_readable(cx))?;
            }
        }

        impl Sockets for $runtime {
            type Tcp = FuturesStream<Async<TcpStream>>;
            type TcpListener = Async<TcpListener>;
            #[cfg(unix)]
            type Unix = FuturesStream<Async<UnixStream>>;
            #[cfg(unix)]
            type UnixListener = Async<UnixListener>;

            fn connect(
                &self,
                to: SocketAddr,
            ) -> impl Future<Output = io::Result<Self::Tcp>> + Send + 'static {
                let connected = Async::<TcpStream>::connect(to);
                async move { tcp(connected.await?) }
            }

            fn ends(stream: &Self::Tcp) -> io::Result<[SocketAddr; 2]> {
                let socket = stream.socket().get_ref();
                Ok([socket.local_addr()?, socket.peer_addr()?])
            }

            fn reset(stream: &Self::Tcp) -> io::Result<()> {
                futures::reset(stream.socket().get_ref())
            }

            fn tcp_listener(&self, listener: TcpListener) -> io::Result<Self::TcpListener> {
                Async::new(listener)
            }

            fn poll_accept(
                listener: &mut Self::TcpListener,
                cx: &mut Context<'_>,
            ) -> Poll<io::Result<Self::Tcp>> {
                accept(listener, TcpListener::accept, cx)
                    .map(|accepted| tcp(Async::new(accepted?.0)?))
            }

            #[cfg(unix)]
            fn unix(&self, stream: UnixStream) -> io::Result<Self::Unix> {
                unix(stream)
            }

            #[cfg(unix)]
            fn unix_listener(&self, listener: UnixListener) -> io::Result<Self::UnixListener> {
                Async::new(listener)
            }

            #[cfg(unix)]
            fn poll_accept_unix(
                listener: &mut Self::UnixListener,
                cx: &mut Context<'_>,
            ) -> Poll<io::Result<Self::Unix>> {
                accept(listener, UnixListener::accept, cx).map(|accepted| unix(accepted?.0))
            }
        }
    };
}
