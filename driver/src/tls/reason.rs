//! Translates rustls errors into ours.

use rustls::{CertificateError, Error, InvalidMessage, OtherError};

use super::config::Source;
use aiomas_core::connection::TlsError;

/// Returns the cause of a TLS failure. `early`: during the handshake.
pub(super) fn reason(error: &Error, early: bool, source: Option<&Source>) -> TlsError {
    match error {
        Error::InvalidCertificate(error) => certificate(error, source),
        Error::NoCertificatesPresented => TlsError::NoCertificate,
        Error::AlertReceived(alert) => TlsError::Alert {
            alert: u8::from(*alert),
            certificate: source.and_then(Source::certificate),
        },
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType | InvalidMessage::UnknownProtocolVersion,
        ) if early => TlsError::NotTls,
        Error::PeerIncompatible(what) => {
            TlsError::NothingInCommon { what: words(&format!("{what:?}")) }
        }
        Error::UnsupportedNameType => TlsError::NoName,
        Error::EncryptError
        | Error::General(_)
        | Error::FailedToGetCurrentTime
        | Error::FailedToGetRandomBytes
        | Error::HandshakeNotComplete
        | Error::BadMaxFragmentSize
        | Error::InconsistentKeys(_)
        | Error::Other(_) => TlsError::Local { what: error.to_string().into() },
        _ => TlsError::Invalid { what: error.to_string().into() },
    }
}

fn certificate(error: &CertificateError, source: Option<&Source>) -> TlsError {
    let bad = |what: &str| TlsError::BadCertificate { what: what.into() };
    match error {
        CertificateError::BadSignature => TlsError::BadSignature,
        CertificateError::UnknownIssuer => {
            TlsError::UnknownIssuer { authorities: source.and_then(Source::authorities) }
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsError::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TlsError::NotValidYet
        }
        CertificateError::NotValidForNameContext { expected, presented } => TlsError::WrongName {
            wanted: expected.to_str().into(),
            presented: presented
                .iter()
                .map(|name| name_of(name))
                .collect::<Vec<_>>()
                .join(", ")
                .into(),
        },
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => bad(
            "its extended key usages do not allow this; sign it with `extendedKeyUsage=serverAuth,clientAuth`, or \
             without any",
        ),
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => bad(
            "its key or its signature is of a kind that is not supported here; P-256, P-384, Ed25519 and RSA with 2048 \
             bits or more are, signed with SHA-256",
        ),
        // These errors have no public names, only those of the verifying crate.
        CertificateError::Other(OtherError(other)) => match &*format!("{other:?}") {
            "CaUsedAsEndEntity" => bad(
                "it is that of an authority (CA:TRUE); sign another one with it, or make it with `-addext \
                 basicConstraints=critical,CA:FALSE`",
            ),
            "UnsupportedCertVersion" => bad(
                "it is of version 1 of X.509; sign it with extensions, such as `subjectAltName` (`openssl x509 -req \
                 -extfile`)",
            ),
            name => bad(&words(name)),
        },
        other => bad(&other.to_string()),
    }
}

/// Extracts the name in `DnsName("example.invalid")`.
fn name_of(presented: &str) -> &str {
    let inner = presented.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(presented).trim_matches('"')
}

/// Splits a name such as `NoCipherSuitesInCommon` into words.
fn words(name: &str) -> Box<str> {
    let mut words = String::new();
    let mut after_small = false;
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && after_small {
            words.push(' ');
        }
        after_small = letter.is_ascii_lowercase() || letter.is_ascii_digit();
        words.push(letter.to_ascii_lowercase());
    }
    words.into()
}
