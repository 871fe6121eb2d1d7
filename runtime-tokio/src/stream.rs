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
use socket2::{SockRef, TcpKeepalive};
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

#[cfg(all(test, any(target_os = "android", target_os = "linux")))]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Keep-alive and the limit for unacknowledged data end a stream after the same time.
    #[tokio::test]
    async fn a_dead_peer_is_found_in_both_ways() -> io::Result<()> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let socket = TcpStream::connect(listener.local_addr()?).await?;
        keep_alive(&socket, KeepAlive::new(Duration::from_secs(60)))?;
        let socket = SockRef::from(&socket);
        assert!(socket.keepalive()?);
        assert_eq!(socket.tcp_keepalive_time()?, Duration::from_secs(60));
        assert_eq!(socket.tcp_user_timeout()?, Some(Duration::from_secs(120)));
        Ok(())
    }

    /// However large the frame is that there is room for.
    #[cfg(unix)]
    #[tokio::test]
    async fn no_more_is_read_at_a_time_than_others_can_wait_for() -> io::Result<()> {
        use tokio::io::AsyncWriteExt;

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
