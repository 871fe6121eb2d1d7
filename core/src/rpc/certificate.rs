//! Who a peer is, by its certificate.

/// The certificate of a peer, which the host has verified: signed by an authority that is trusted here, valid
/// now, and the peer has the key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerCertificate {
    /// Whose it is, as in `CN=house,O=Grid` (RFC 4514). Empty if it does not say, or cannot be read.
    pub subject: Box<str>,
    /// Other names of the same, host names and IP addresses: its subject alternative names.
    pub names: Vec<Box<str>>,
    /// The certificate in DER, and those that lead from it to the authority, as the peer has sent them.
    pub chain: Vec<Box<[u8]>>,
}

impl PeerCertificate {
    /// What a host has verified.
    #[must_use]
    pub const fn new(subject: Box<str>, names: Vec<Box<str>>, chain: Vec<Box<[u8]>>) -> Self {
        Self { subject, names, chain }
    }
}
