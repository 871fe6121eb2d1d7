//! The caller of a function.

use std::sync::Arc;
use std::time::Instant;

use super::certificate::PeerCertificate;

/// The origin of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallerId {
    /// The same container, without a connection.
    #[default]
    Local,
    /// The peer of a connection, identified by the host's number for the connection.
    Peer(u64),
}

/// The properties of a caller that a function can see.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caller {
    /// The origin of the call.
    pub id: CallerId,
    /// The peer's address, if the host knows it.
    pub address: Option<Arc<str>>,
    /// The certificate that identifies the peer, on a TLS connection with client authentication.
    pub certificate: Option<Arc<PeerCertificate>>,
    /// The deadline of the call, if the caller has announced one.
    ///
    /// At this time the caller stops waiting for the answer, and the call is cancelled. A Python peer never announces a
    /// deadline. (The time is that of the host.)
    pub deadline: Option<Instant>,
}

impl Caller {
    /// Creates a caller for the peer of a connection.
    #[must_use]
    pub const fn new(connection: u64) -> Self {
        Self { id: CallerId::Peer(connection), address: None, certificate: None, deadline: None }
    }

    /// Creates a caller for an agent of the same container.
    #[must_use]
    pub const fn local() -> Self {
        Self { id: CallerId::Local, address: None, certificate: None, deadline: None }
    }

    /// Returns the number of the connection that the call arrived on; `None` for local calls.
    #[must_use]
    pub const fn connection(&self) -> Option<u64> {
        match self.id {
            CallerId::Peer(connection) => Some(connection),
            CallerId::Local => None,
        }
    }

    /// Returns the same caller with an address.
    #[must_use]
    pub fn with_address(self, address: impl Into<Arc<str>>) -> Self {
        Self { address: Some(address.into()), ..self }
    }

    /// Returns the same caller with a deadline.
    #[must_use]
    pub fn with_deadline(self, deadline: Option<Instant>) -> Self {
        Self { deadline, ..self }
    }

    /// Returns the same caller with a certificate, which the host must have verified.
    #[must_use]
    pub fn with_certificate(self, certificate: impl Into<Arc<PeerCertificate>>) -> Self {
        Self { certificate: Some(certificate.into()), ..self }
    }
}
