//! Who calls.

use std::sync::Arc;

use super::certificate::PeerCertificate;

/// What a function may know about who called it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Caller {
    /// The number that the host gave the connection.
    pub connection: u64,
    /// The peer's address, if the host knows it.
    pub peer: Option<Arc<str>>,
    /// The certificate by which the peer has proven who it is, if the connection is a secure one.
    pub certificate: Option<Arc<PeerCertificate>>,
}

impl Caller {
    /// The peer at the other end of a connection.
    #[must_use]
    pub const fn new(connection: u64) -> Self {
        Self { connection, peer: None, certificate: None }
    }

    /// The same caller, with its address.
    #[must_use]
    pub fn with_peer(self, peer: impl Into<Arc<str>>) -> Self {
        Self { peer: Some(peer.into()), ..self }
    }

    /// The same caller, with the certificate that the host has verified.
    #[must_use]
    pub fn with_certificate(self, certificate: impl Into<Arc<PeerCertificate>>) -> Self {
        Self { certificate: Some(certificate.into()), ..self }
    }
}
