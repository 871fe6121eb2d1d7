//! Listening sockets.

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::task::{Context, Poll};

use super::Sockets;
#[cfg(unix)]
use crate::socket_file::SocketFile;
use crate::transport::Listener;
use aiomas_core::agent::Address;

/// Listens at all addresses of a host.
pub struct TcpAcceptor<S: Sockets> {
    listeners: Vec<S::TcpListener>,
    /// The listener to poll first. It changes after each stream, so that all addresses are served fairly.
    first: usize,
    address: Address,
}

impl<S: Sockets> TcpAcceptor<S> {
    pub(super) fn new(
        sockets: &S,
        listeners: Vec<TcpListener>,
        address: Address,
    ) -> io::Result<Self> {
        let listeners = listeners.into_iter().map(|listener| sockets.tcp_listener(listener));
        Ok(Self { listeners: listeners.collect::<io::Result<_>>()?, first: 0, address })
    }
}

impl<S: Sockets> Listener for TcpAcceptor<S> {
    type Stream = S::Tcp;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<S::Tcp>> {
        let count = self.listeners.len();
        for turn in 0..count {
            let index = (self.first + turn) % count;
            let accepted = S::poll_accept(&mut self.listeners[index], cx);
            if accepted.is_ready() {
                self.first = index + 1;
                return accepted;
            }
        }
        Poll::Pending
    }

    fn address(&self) -> io::Result<Address> {
        Ok(self.address.clone())
    }
}

impl<S: Sockets> fmt::Debug for TcpAcceptor<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TcpAcceptor").field(&self.address).finish()
    }
}

/// Listens at a path.
#[cfg(unix)]
pub struct UnixAcceptor<S: Sockets> {
    // Dropped first: while the socket listens, no other program considers its file stale.
    _file: SocketFile,
    listener: S::UnixListener,
    address: Address,
}

#[cfg(unix)]
impl<S: Sockets> UnixAcceptor<S> {
    pub(super) async fn bind(sockets: &S, path: std::sync::Arc<str>) -> io::Result<Self> {
        let (listener, file) = SocketFile::bind(sockets, &path).await?;
        let listener = sockets.unix_listener(listener)?;
        Ok(Self { _file: file, listener, address: Address::Ipc(path) })
    }
}

#[cfg(unix)]
impl<S: Sockets> Listener for UnixAcceptor<S> {
    type Stream = S::Unix;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<S::Unix>> {
        S::poll_accept_unix(&mut self.listener, cx)
    }

    fn address(&self) -> io::Result<Address> {
        Ok(self.address.clone())
    }
}

#[cfg(unix)]
impl<S: Sockets> fmt::Debug for UnixAcceptor<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UnixAcceptor").field(&self.address).finish()
    }
}
