//! Listeners whose streams begin with a TLS handshake.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls::ServerConnection;

use super::config::TlsConfig;
use super::stream::Tls;
use crate::transport::Listener;
use aiomas_core::agent::Address;
use aiomas_core::connection::TlsError;

/// Accepts streams and wraps them in TLS.
pub struct TlsListener<L> {
    listener: L,
    config: Arc<TlsConfig>,
}

impl<L> TlsListener<L> {
    pub(super) const fn new(listener: L, config: Arc<TlsConfig>) -> Self {
        Self { listener, config }
    }
}

impl<L: Listener> Listener for TlsListener<L> {
    type Stream = Tls<L::Stream>;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Self::Stream>> {
        let stream = ready!(self.listener.poll_accept(cx))?;
        let session = ServerConnection::new(self.config.server.clone())
            .map_err(|error| TlsError::Local { what: error.to_string().into() })?;
        Poll::Ready(Ok(Tls::new(stream, session, self.config.source.clone())))
    }

    fn refused(&self, peer: Option<&str>, error: &io::Error) {
        if let Some(error) = TlsError::of(error) {
            self.config.refused(peer, error);
        }
    }

    fn address(&self) -> io::Result<Address> {
        self.listener.address()
    }
}

impl<L: Listener> std::fmt::Debug for TlsListener<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("TlsListener").field(&self.address()).finish()
    }
}
