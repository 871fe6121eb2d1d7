//! TCP and Unix sockets as one type, for adapters.

use std::io::{self, IoSlice};
use std::task::{Context, Poll};

use bytes::BytesMut;

use super::transport::{KeepAlive, Listener, Transport};
use aiomas_core::agent::Address;

/// A TCP or a Unix socket, either a stream or a listener.
#[derive(Debug)]
pub enum Socket<T, U> {
    /// A TCP socket.
    Tcp(T),
    /// A Unix socket.
    Unix(U),
}

/// Applies the same code to either kind of socket.
macro_rules! with {
    ($socket:expr, $inner:ident => $do:expr) => {
        match $socket {
            Socket::Tcp($inner) => $do,
            Socket::Unix($inner) => $do,
        }
    };
}

impl<T: Transport, U: Transport> Transport for Socket<T, U> {
    fn keep_alive(&mut self, how: KeepAlive) -> io::Result<()> {
        with!(self, stream => stream.keep_alive(how))
    }

    #[inline]
    fn poll_recv(&mut self, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        with!(self, stream => stream.poll_recv(cx, input))
    }

    #[inline]
    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        output: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        with!(self, stream => stream.poll_send(cx, output))
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        with!(self, stream => stream.poll_shutdown(cx))
    }

    fn peer(&self) -> Option<String> {
        with!(self, stream => stream.peer())
    }
}

impl<T: Listener, U: Listener> Listener for Socket<T, U> {
    type Stream = Socket<T::Stream, U::Stream>;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Self::Stream>> {
        match self {
            Self::Tcp(listener) => listener.poll_accept(cx).map_ok(Socket::Tcp),
            Self::Unix(listener) => listener.poll_accept(cx).map_ok(Socket::Unix),
        }
    }

    fn address(&self) -> io::Result<Address> {
        with!(self, listener => listener.address())
    }
}
