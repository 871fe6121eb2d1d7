//! Sockets of runtimes that go by the traits of `futures-io`: smol and async-std.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use futures_io::{AsyncRead, AsyncWrite};

use super::host::BoxFuture;
use super::transport::{KeepAlive, Listener, Transport};
use crate::agent::Address;

/// So much is read at a time at most.
const MOST: usize = 64 * 1024;

/// An open socket.
#[derive(Debug)]
pub struct Stream<S> {
    socket: S,
    shutdown: fn(&S, Shutdown) -> io::Result<()>,
    keep_alive: fn(&S, KeepAlive) -> io::Result<()>,
    peer: Option<String>,
}

impl<S> Stream<S> {
    /// A socket, what shuts it down, what keeps it alive, and the address at its other end if it has one.
    ///
    /// The traits have a way to close a socket, which does nothing in async-std.
    pub const fn new(
        socket: S,
        shutdown: fn(&S, Shutdown) -> io::Result<()>,
        keep_alive: fn(&S, KeepAlive) -> io::Result<()>,
        peer: Option<String>,
    ) -> Self {
        Self { socket, shutdown, keep_alive, peer }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Transport for Stream<S> {
    fn keep_alive(&mut self, how: KeepAlive) -> io::Result<()> {
        (self.keep_alive)(&self.socket, how)
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        // These traits read into what is initialised only: no more than is read then, mostly.
        let length = input.len();
        input.resize(input.capacity().min(length + MOST), 0);
        let read = Pin::new(&mut self.socket).poll_read(cx, &mut input[length..]);
        let count = if let Poll::Ready(Ok(count)) = &read { *count } else { 0 };
        input.truncate(length + count);
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
        Poll::Ready((self.shutdown)(&self.socket, Shutdown::Write))
    }

    fn peer(&self) -> Option<String> {
        self.peer.clone()
    }
}

/// A listening socket.
pub struct Acceptor<S> {
    accept: Box<dyn Fn() -> BoxFuture<io::Result<Stream<S>>> + Send>,
    accepting: Option<BoxFuture<io::Result<Stream<S>>>>,
    address: Address,
}

impl<S> Acceptor<S> {
    /// A socket that listens at `address`; `accept` takes the next stream, and owns the socket.
    pub fn new<F>(address: Address, accept: impl Fn() -> F + Send + 'static) -> Self
    where
        F: Future<Output = io::Result<Stream<S>>> + Send + 'static,
    {
        Self { accept: Box::new(move || Box::pin(accept())), accepting: None, address }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Listener for Acceptor<S> {
    type Stream = Stream<S>;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Stream<S>>> {
        let accepting = self.accepting.get_or_insert_with(&self.accept);
        let accepted = ready!(accepting.as_mut().poll(cx));
        self.accepting = None;
        Poll::Ready(accepted)
    }

    fn address(&self) -> io::Result<Address> {
        Ok(self.address.clone())
    }
}

impl<S> std::fmt::Debug for Acceptor<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Acceptor").field(&self.address).finish()
    }
}

/// Writes `Stream`, `Acceptor`, `dial` and `listen` for the sockets of a runtime, whose types have the methods
/// that those of `async-std` and `smol` have.
///
/// `keep_alive` sets the options of a TCP socket; `adopt` makes a Unix listener of that of `std`, which does not block.
#[macro_export]
macro_rules! futures_sockets {
    (
        tcp: $tcp:ty, $tcp_listener:ty;
        keep_alive: $keep_alive:expr;
        unix: $unix:ty, $unix_listener:ty;
        adopt: $adopt:expr
    ) => {
        use std::io;
        use std::sync::Arc;

        use $crate::agent::Address;
        use $crate::driver::Socket;
        #[cfg(unix)]
        use $crate::driver::SocketFile;
        use $crate::driver::futures::{Acceptor as FuturesAcceptor, Stream as FuturesStream};

        #[cfg(unix)]
        type Unix = $unix;
        #[cfg(not(unix))]
        type Unix = $tcp;

        /// An open TCP or Unix socket.
        pub type Stream = Socket<FuturesStream<$tcp>, FuturesStream<Unix>>;
        /// A listening TCP or Unix socket.
        pub type Acceptor = Socket<FuturesAcceptor<$tcp>, FuturesAcceptor<Unix>>;

        fn tcp(stream: $tcp) -> io::Result<FuturesStream<$tcp>> {
            // The driver gathers messages before it writes; the kernel need not wait for more.
            stream.set_nodelay(true)?;
            let peer = stream.peer_addr().ok().map(|peer| format!("tcp://{peer}"));
            Ok(FuturesStream::new(stream, <$tcp>::shutdown, $keep_alive, peer))
        }

        #[cfg(unix)]
        fn unix(stream: $unix) -> FuturesStream<$unix> {
            FuturesStream::new(stream, <$unix>::shutdown, |_, _| Ok(()), None)
        }

        pub(crate) async fn dial(to: Address) -> io::Result<Stream> {
            match to {
                Address::Tcp { host, port } => {
                    Ok(Socket::Tcp(tcp(<$tcp>::connect((&*host, port)).await?)?))
                }
                #[cfg(unix)]
                Address::Ipc(path) => Ok(Socket::Unix(unix(<$unix>::connect(&*path).await?))),
                other => Err(Stream::unsupported(&other)),
            }
        }

        pub(crate) async fn listen(on: Address) -> io::Result<Acceptor> {
            match on {
                Address::Tcp { host, port } => {
                    let listener = Arc::new(<$tcp_listener>::bind((&*host, port)).await?);
                    let port = listener.local_addr()?.port();
                    let address = Address::Tcp { host, port };
                    Ok(Socket::Tcp(FuturesAcceptor::new(address, move || {
                        let listener = listener.clone();
                        async move { tcp(listener.accept().await?.0) }
                    })))
                }
                #[cfg(unix)]
                Address::Ipc(path) => {
                    let (listener, file) = SocketFile::bind(&path)?;
                    listener.set_nonblocking(true)?;
                    let adopt: fn(_) -> io::Result<$unix_listener> = $adopt;
                    // The file goes with the listener.
                    let listener = Arc::new((adopt(listener)?, file));
                    let address = Address::Ipc(path);
                    Ok(Socket::Unix(FuturesAcceptor::new(address, move || {
                        let listener = listener.clone();
                        async move { Ok(unix(listener.0.accept().await?.0)) }
                    })))
                }
                other => Err(Stream::unsupported(&other)),
            }
        }
    };
}
