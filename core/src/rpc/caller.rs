//! Who calls.

use std::sync::Arc;
use std::time::Instant;

use super::certificate::PeerCertificate;

/// Where a call comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallerId {
    /// The same container: no connection is involved.
    #[default]
    Local,
    /// The peer at the other end of a connection, by the number that the host gave the connection.
    Peer(u64),
}

/// What a function may know about who called it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caller {
    /// Where the call comes from.
    pub id: CallerId,
    /// The peer's address, if the host knows it.
    pub address: Option<Arc<str>>,
    /// The certificate by which the peer has proven who it is, if the connection is a secure one.
    pub certificate: Option<Arc<PeerCertificate>>,
    /// When the caller waits no longer for the answer to this call, if it has said so: then the call is
    /// cancelled. A peer in Python never says so. (The time is that of the host.)
    pub deadline: Option<Instant>,
}

impl Caller {
    /// The peer at the other end of a connection.
    #[must_use]
    pub const fn new(connection: u64) -> Self {
        Self { id: CallerId::Peer(connection), address: None, certificate: None, deadline: None }
    }

    /// An agent of the same container.
    #[must_use]
    pub const fn local() -> Self {
        Self { id: CallerId::Local, address: None, certificate: None, deadline: None }
    }

    /// The number of the connection that the call came over. `None` for a local call.
    #[must_use]
    pub const fn connection(&self) -> Option<u64> {
        match self.id {
            CallerId::Peer(connection) => Some(connection),
            CallerId::Local => None,
        }
    }

    /// The same caller, with its address.
    #[must_use]
    pub fn with_address(self, address: impl Into<Arc<str>>) -> Self {
        Self { address: Some(address.into()), ..self }
    }

    /// The same caller, who waits no longer than that.
    #[must_use]
    pub fn with_deadline(self, deadline: Option<Instant>) -> Self {
        Self { deadline, ..self }
    }

    /// The same caller, with the certificate that the host has verified.
    #[must_use]
    pub fn with_certificate(self, certificate: impl Into<Arc<PeerCertificate>>) -> Self {
        Self { certificate: Some(certificate.into()), ..self }
    }
}
