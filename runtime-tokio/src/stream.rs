//! TCP and Unix sockets.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use aiomas_core::agent::Address;
#[cfg(unix)]
use aiomas_core::driver::SocketFile;
use aiomas_core::driver::{KeepAlive, Listener, Socket, Transport};
use bytes::BytesMut;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};

#[cfg(unix)]
type Unix = UnixStream;
#[cfg(not(unix))]
type Unix = TcpStream;

/// An open TCP or Unix socket.
pub type Stream = Socket<Open<TcpStream>, Open<Unix>>;

/// An open socket.
#[derive(Debug)]
pub struct Open<S> {
    socket: S,
    keep_alive: fn(&S, KeepAlive) -> io::Result<()>,
    peer: Option<String>,
}

fn tcp(socket: TcpStream) -> io::Result<Open<TcpStream>> {
    // The driver gathers messages before it writes; the kernel need not wait for more.
    socket.set_nodelay(true)?;
    let peer = socket.peer_addr().ok().map(|peer| format!("tcp://{peer}"));
    Ok(Open { socket, keep_alive, peer })
}

fn keep_alive(socket: &TcpStream, how: KeepAlive) -> io::Result<()> {
    let socket = SockRef::from(socket);
    #[cfg(any(target_os = "android", target_os = "linux"))]
    socket.set_tcp_user_timeout(Some(how.unacknowledged))?;
    let how =
        TcpKeepalive::new().with_time(how.after).with_interval(how.every).with_retries(how.times);
    socket.set_tcp_keepalive(&how)
}

#[cfg(unix)]
fn unix(socket: UnixStream) -> Open<UnixStream> {
    Open { socket, keep_alive: |_, _| Ok(()), peer: None }
}

pub(crate) async fn dial(to: Address) -> io::Result<Stream> {
    match to {
        Address::Tcp { host, port } => {
            Ok(Socket::Tcp(tcp(TcpStream::connect((&*host, port)).await?)?))
        }
        #[cfg(unix)]
        Address::Ipc(path) => Ok(Socket::Unix(unix(UnixStream::connect(&*path).await?))),
        other => Err(Stream::unsupported(&other)),
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Transport for Open<S> {
    fn keep_alive(&mut self, how: KeepAlive) -> io::Result<()> {
        (self.keep_alive)(&self.socket, how)
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        // It is cancel safe, and tokio knows after a short read that there is no more.
        pin!(self.socket.read_buf(input)).poll(cx)
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        output: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, output)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }

    fn peer(&self) -> Option<String> {
        self.peer.clone()
    }
}

/// A listening TCP or Unix socket.
#[cfg(unix)]
pub type Acceptor = Socket<Tcp, UnixSocket>;
/// A listening TCP socket.
#[cfg(not(unix))]
pub type Acceptor = Socket<Tcp, Tcp>;

/// A listening TCP socket.
#[derive(Debug)]
pub struct Tcp {
    listener: TcpListener,
    host: Arc<str>,
}

/// A listening Unix socket.
#[cfg(unix)]
#[derive(Debug)]
pub struct UnixSocket {
    listener: UnixListener,
    file: SocketFile,
}

pub(crate) async fn listen(on: Address) -> io::Result<Acceptor> {
    match on {
        Address::Tcp { host, port } => {
            let listener = TcpListener::bind((&*host, port)).await?;
            Ok(Socket::Tcp(Tcp { listener, host }))
        }
        #[cfg(unix)]
        Address::Ipc(path) => {
            let (listener, file) = SocketFile::bind(&path)?;
            listener.set_nonblocking(true)?;
            let listener = UnixListener::from_std(listener)?;
            Ok(Socket::Unix(UnixSocket { listener, file }))
        }
        other => Err(Stream::unsupported(&other)),
    }
}

impl Listener for Tcp {
    type Stream = Open<TcpStream>;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Self::Stream>> {
        self.listener.poll_accept(cx).map(|accepted| tcp(accepted?.0))
    }

    fn address(&self) -> io::Result<Address> {
        let port = self.listener.local_addr()?.port();
        Ok(Address::Tcp { host: self.host.clone(), port })
    }
}

#[cfg(unix)]
impl Listener for UnixSocket {
    type Stream = Open<UnixStream>;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Self::Stream>> {
        self.listener.poll_accept(cx).map_ok(|(socket, _)| unix(socket))
    }

    fn address(&self) -> io::Result<Address> {
        Ok(self.file.address())
    }
}
