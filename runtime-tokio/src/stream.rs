//! TCP and Unix sockets.

use std::future::Future;
use std::io::{self, IoSlice};
use std::net::{self, SocketAddr};
#[cfg(unix)]
use std::os::unix;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use aiomas::sockets::{self, Sockets};
use aiomas::{KeepAlive, Transport};
use bytes::{BufMut, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
#[cfg(unix)]
use tokio::net::{UnixListener, UnixStream};

use crate::Tokio;

/// So much is read at a time at most: megabytes, into memory that is new, would keep others waiting.
const MAX_READ: usize = 64 * 1024;

/// An open TCP or Unix socket.
pub type Stream = sockets::Stream<Tokio>;
/// A listening TCP or Unix socket.
pub type Acceptor = sockets::Acceptor<Tokio>;

/// An open socket.
#[derive(Debug)]
pub struct Open<S> {
    socket: S,
    keep_alive: fn(&S, KeepAlive) -> io::Result<()>,
    peer: Option<String>,
}

fn tcp(socket: TcpStream) -> io::Result<Open<TcpStream>> {
    // The driver gathers messages before it writes, so the kernel need not wait for more.
    socket.set_nodelay(true)?;
    let peer = socket.peer_addr().ok().map(|peer| format!("tcp://{peer}"));
    Ok(Open { socket, keep_alive: |socket, how| sockets::keep_alive(socket, how), peer })
}

#[cfg(unix)]
const fn unix(socket: UnixStream) -> Open<UnixStream> {
    Open { socket, keep_alive: |_, _| Ok(()), peer: None }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Transport for Open<S> {
    fn keep_alive(&mut self, how: KeepAlive) -> io::Result<()> {
        (self.keep_alive)(&self.socket, how)
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        // Cancel safe; after a short read, tokio knows that the socket has no more data.
        pin!(self.socket.read_buf(&mut input.limit(MAX_READ))).poll(cx)
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

impl Sockets for Tokio {
    type Tcp = Open<TcpStream>;
    type TcpListener = TcpListener;
    #[cfg(unix)]
    type Unix = Open<UnixStream>;
    #[cfg(unix)]
    type UnixListener = UnixListener;

    fn connect(
        &self,
        to: SocketAddr,
    ) -> impl Future<Output = io::Result<Self::Tcp>> + Send + 'static {
        let connected = TcpStream::connect(to);
        async move { tcp(connected.await?) }
    }

    fn ends(stream: &Self::Tcp) -> io::Result<[SocketAddr; 2]> {
        Ok([stream.socket.local_addr()?, stream.socket.peer_addr()?])
    }

    fn reset(stream: &Self::Tcp) -> io::Result<()> {
        stream.socket.set_zero_linger()
    }

    fn tcp_listener(&self, listener: net::TcpListener) -> io::Result<TcpListener> {
        TcpListener::from_std(listener)
    }

    fn poll_accept(
        listener: &mut TcpListener,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Self::Tcp>> {
        listener.poll_accept(cx).map(|accepted| tcp(accepted?.0))
    }

    #[cfg(unix)]
    fn unix(&self, stream: unix::net::UnixStream) -> io::Result<Self::Unix> {
        Ok(unix(UnixStream::from_std(stream)?))
    }

    #[cfg(unix)]
    fn unix_listener(&self, listener: unix::net::UnixListener) -> io::Result<UnixListener> {
        UnixListener::from_std(listener)
    }

    #[cfg(unix)]
    fn poll_accept_unix(
        listener: &mut UnixListener,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Self::Unix>> {
        listener.poll_accept(cx).map_ok(|(socket, _)| unix(socket))
    }
}

#[cfg(all(test, unix))]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    /// However large the frame is that the buffer has room for.
    #[tokio::test]
    async fn one_read_is_bounded() -> io::Result<()> {
        let (mut there, here) = UnixStream::pair()?;
        let mut here = unix(here);
        there.write_all(&[1; MAX_READ + 1]).await?;
        let mut input = BytesMut::with_capacity(4 * MAX_READ);
        let mut reads = Vec::new();
        while reads.iter().sum::<usize>() <= MAX_READ {
            reads.push(std::future::poll_fn(|cx| here.poll_recv(cx, &mut input)).await?);
        }
        assert_eq!(reads, [MAX_READ, 1]);
        assert_eq!(input.len(), MAX_READ + 1);
        Ok(())
    }
}
