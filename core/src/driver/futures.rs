//! Sockets of runtimes that go by the traits of `futures-io`, and by the crate `async-io`: smol and async-std.

use std::cell::Cell;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use futures_io::{AsyncRead, AsyncWrite};

use super::host::BoxFuture;
use super::transport::{KeepAlive, Listener, Transport};
use crate::agent::Address;

/// An open socket.
#[derive(Debug)]
pub struct Stream<S> {
    socket: S,
    how: How<S>,
    peer: Option<String>,
    /// There was less than asked for: before there is more, the runtime says so.
    drained: bool,
}

/// What the traits do not have.
#[derive(Debug)]
pub struct How<S> {
    /// Waits until there is something to read.
    pub readable: fn(&S, &mut Context<'_>) -> Poll<io::Result<()>>,
    /// Shuts a direction down. The traits have a way to close a socket, which need not do anything.
    pub shutdown: fn(&S, Shutdown) -> io::Result<()>,
    /// Lets the system ask for the peer.
    pub keep_alive: fn(&S, KeepAlive) -> io::Result<()>,
}

impl<S> Stream<S> {
    /// A socket, how it does what the traits do not have, and the address at its other end if it has one.
    pub const fn new(socket: S, how: How<S>, peer: Option<String>) -> Self {
        Self { socket, how, peer, drained: false }
    }
}

/// So much is read at a time at most.
const MAX_READ: usize = 64 * 1024;

thread_local! {
    /// What comes is read into this, for the traits read into what is initialised only: to copy what has come is
    /// cheaper than to initialise room for what might.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Transport for Stream<S> {
    fn keep_alive(&mut self, how: KeepAlive) -> io::Result<()> {
        (self.how.keep_alive)(&self.socket, how)
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        // To read only to see that there is nothing would be a system call for each message.
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
            // After the end there is nothing to wait for.
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

/// Writes `Stream`, `Acceptor`, `dial` and `listen` for a runtime whose sockets are those of `async-io`, as those of
/// smol and async-std are.
///
/// `io` is the crate that has `Async`; `resolve` looks up the addresses of a host and a port; `keep_alive` sets the
/// options of a TCP socket.
#[macro_export]
macro_rules! futures_sockets {
    (io: $io:ident; resolve: $resolve:expr; keep_alive: $keep_alive:expr) => {
        use std::io;
        use std::net::{SocketAddr, TcpListener, TcpStream};
        #[cfg(unix)]
        use std::os::unix::net::UnixStream;
        use std::sync::Arc;

        use $crate::agent::Address;
        use $crate::driver::Socket;
        #[cfg(unix)]
        use $crate::driver::SocketFile;
        use $crate::driver::futures::{Acceptor as FuturesAcceptor, How, Stream as FuturesStream};
        use $io::Async;

        type Tcp = Async<TcpStream>;
        #[cfg(unix)]
        type Unix = Async<UnixStream>;
        #[cfg(not(unix))]
        type Unix = Tcp;

        /// An open TCP or Unix socket.
        pub type Stream = Socket<FuturesStream<Tcp>, FuturesStream<Unix>>;
        /// A listening TCP or Unix socket.
        pub type Acceptor = Socket<FuturesAcceptor<Tcp>, FuturesAcceptor<Unix>>;

        fn tcp(stream: Tcp) -> io::Result<FuturesStream<Tcp>> {
            // The driver gathers messages before it writes; the kernel need not wait for more.
            stream.get_ref().set_nodelay(true)?;
            let peer = stream.get_ref().peer_addr().ok().map(|peer| format!("tcp://{peer}"));
            let how: How<Tcp> = How {
                readable: |stream, cx| stream.poll_readable(cx),
                shutdown: |stream, how| stream.get_ref().shutdown(how),
                keep_alive: |stream, how| $keep_alive(stream.get_ref(), how),
            };
            Ok(FuturesStream::new(stream, how, peer))
        }

        #[cfg(unix)]
        fn unix(stream: Unix) -> FuturesStream<Unix> {
            let how: How<Unix> = How {
                readable: |stream, cx| stream.poll_readable(cx),
                shutdown: |stream, how| stream.get_ref().shutdown(how),
                keep_alive: |_, _| Ok(()),
            };
            FuturesStream::new(stream, how, None)
        }

        /// Nothing is found without an error.
        fn nowhere() -> io::Error {
            io::Error::new(io::ErrorKind::InvalidInput, "the name has no address")
        }

        async fn connect(host: &str, port: u16) -> io::Result<Tcp> {
            let (addresses, mut error) = ($resolve((host, port)).await?, nowhere());
            for address in addresses {
                match Tcp::connect(address).await {
                    Ok(stream) => return Ok(stream),
                    Err(why) => error = why,
                }
            }
            Err(error)
        }

        pub(crate) async fn dial(to: Address) -> io::Result<Stream> {
            match to {
                Address::Tcp { host, port } => Ok(Socket::Tcp(tcp(connect(&host, port).await?)?)),
                #[cfg(unix)]
                Address::Ipc(path) => Ok(Socket::Unix(unix(Unix::connect(&*path).await?))),
                other => Err(Stream::unsupported(&other)),
            }
        }

        pub(crate) async fn listen(on: Address) -> io::Result<Acceptor> {
            match on {
                Address::Tcp { host, port } => {
                    let found: Vec<SocketAddr> = $resolve((&*host, port)).await?;
                    if found.is_empty() {
                        return Err(nowhere());
                    }
                    let listener = Arc::new(Async::new(TcpListener::bind(&*found)?)?);
                    let port = listener.get_ref().local_addr()?.port();
                    let address = Address::Tcp { host, port };
                    Ok(Socket::Tcp(FuturesAcceptor::new(address, move || {
                        let listener = listener.clone();
                        async move { tcp(listener.accept().await?.0) }
                    })))
                }
                #[cfg(unix)]
                Address::Ipc(path) => {
                    let (listener, file) = SocketFile::bind(&path)?;
                    // The file goes with the listener.
                    let listener = Arc::new((Async::new(listener)?, file));
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
