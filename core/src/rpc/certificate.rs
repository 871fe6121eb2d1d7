//! The identity of a peer, from its certificate.

/// A certificate of a peer that the host has verified.
///
/// A trusted authority has signed it, it is currently valid, and the peer has proven that it has the key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerCertificate {
    /// The subject, such as `CN=house,O=Grid` (RFC 4514). Empty if missing or unreadable.
    pub subject: Box<str>,
    /// The subject alternative names: host names and IP addresses.
    pub names: Vec<Box<str>>,
    /// The certificate in DER, followed by the intermediate certificates that the peer has sent.
    pub chain: Vec<Box<[u8]>>,
}

impl PeerCertificate {
    /// Creates a certificate from values that the host has verified.
    #[must_use]
    pub const fn new(subject: Box<str>, names: Vec<Box<str>>, chain: Vec<Box<[u8]>>) -> Self {
        Self { subject, names, chain }
    }
}
