//! TCP and Unix sockets.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use aiomas_core::agent::Address;
use aiomas_core::driver::{Listener, Transport};
use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};

/// An open TCP or Unix socket.
#[derive(Debug)]
pub struct Stream(Socket);

#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

/// Does the same with whichever socket it is.
macro_rules! with {
    ($socket:expr, $stream:ident => $do:expr) => {
        match $socket {
            Socket::Tcp($stream) => $do,
            #[cfg(unix)]
            Socket::Unix($stream) => $do,
        }
    };
}

impl Stream {
    pub(crate) async fn dial(to: Address) -> io::Result<Self> {
        match to {
            Address::Tcp { host, port } => Self::tcp(TcpStream::connect((&*host, port)).await?),
            #[cfg(unix)]
            Address::Ipc(path) => Ok(Self(Socket::Unix(UnixStream::connect(&*path).await?))),
            other => Err(unsupported(&other)),
        }
    }

    fn tcp(stream: TcpStream) -> io::Result<Self> {
        // The driver gathers messages before it writes; the kernel need not wait for more.
        stream.set_nodelay(true)?;
        Ok(Self(Socket::Tcp(stream)))
    }
}

impl Transport for Stream {
    fn poll_recv(&mut self, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        // It is cancel safe, and tokio knows after a short read that there is no more.
        with!(&mut self.0, stream => pin!(stream.read_buf(input)).poll(cx))
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        output: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        with!(&mut self.0, stream => Pin::new(stream).poll_write_vectored(cx, output))
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        with!(&mut self.0, stream => Pin::new(stream).poll_shutdown(cx))
    }

    fn peer(&self) -> Option<String> {
        match &self.0 {
            Socket::Tcp(stream) => Some(format!("tcp://{}", stream.peer_addr().ok()?)),
            #[cfg(unix)]
            Socket::Unix(_) => None,
        }
    }
}

/// A listening TCP or Unix socket.
#[derive(Debug)]
pub struct Acceptor(Listening);

#[derive(Debug)]
enum Listening {
    Tcp {
        listener: TcpListener,
        host: std::sync::Arc<str>,
    },
    #[cfg(unix)]
    Unix {
        listener: UnixListener,
        file: aiomas_core::driver::SocketFile,
    },
}

impl Acceptor {
    pub(crate) async fn bind(on: Address) -> io::Result<Self> {
        match on {
            Address::Tcp { host, port } => {
                let listener = TcpListener::bind((&*host, port)).await?;
                Ok(Self(Listening::Tcp { listener, host }))
            }
            #[cfg(unix)]
            Address::Ipc(path) => {
                let (listener, file) = aiomas_core::driver::SocketFile::bind(&path)?;
                listener.set_nonblocking(true)?;
                let listener = UnixListener::from_std(listener)?;
                Ok(Self(Listening::Unix { listener, file }))
            }
            other => Err(unsupported(&other)),
        }
    }
}

impl Listener for Acceptor {
    type Stream = Stream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        match &self.0 {
            Listening::Tcp { listener, .. } => listener
                .poll_accept(cx)
                .map(|accepted| accepted.and_then(|(stream, _)| Stream::tcp(stream))),
            #[cfg(unix)]
            Listening::Unix { listener, .. } => listener
                .poll_accept(cx)
                .map(|accepted| accepted.map(|(stream, _)| Stream(Socket::Unix(stream)))),
        }
    }

    fn address(&self) -> io::Result<Address> {
        match &self.0 {
            Listening::Tcp { listener, host } => {
                Ok(Address::Tcp { host: host.clone(), port: listener.local_addr()?.port() })
            }
            #[cfg(unix)]
            Listening::Unix { file, .. } => Ok(file.address()),
        }
    }
}

fn unsupported(address: &Address) -> io::Error {
    let message = format!("{address} is no address of a socket on this system");
    io::Error::new(io::ErrorKind::Unsupported, message)
}
