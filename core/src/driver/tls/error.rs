//! What can be wrong with certificates and keys of our own.

/// TLS cannot be configured like that.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsConfigError {
    /// A file cannot be read.
    #[error("cannot read {path}: {text}")]
    File {
        /// Which.
        path: Box<str>,
        /// The system's words.
        text: Box<str>,
    },
    /// There is no certificate.
    #[error("{from} has no certificate in PEM")]
    NoCertificate {
        /// The file.
        from: Box<str>,
    },
    /// There is no key, or only one that is encrypted.
    #[error("{from} has no private key in PEM (PKCS#8, PKCS#1 or SEC1, not encrypted)")]
    NoKey {
        /// The file.
        from: Box<str>,
    },
    /// Something in a file cannot be used.
    #[error("{from} cannot be used: {what}")]
    Unusable {
        /// The file.
        from: Box<str>,
        /// What is wrong.
        what: Box<str>,
    },
    /// The key is that of another certificate.
    #[error("the private key is not that of the certificate")]
    KeyMismatch,
    /// That is no name that a certificate could be for.
    #[error("\"{name}\" is neither a host name nor an IP address")]
    NoServerName {
        /// What was given.
        name: Box<str>,
    },
}
