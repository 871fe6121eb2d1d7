//! What rustls says, in our words.

use rustls::{CertificateError, Error, InvalidMessage};

use crate::connection::TlsError;

/// Why TLS failed. `early`: it was during the handshake.
pub(super) fn reason(error: &Error, early: bool) -> TlsError {
    match error {
        Error::InvalidCertificate(error) => certificate(error),
        Error::NoCertificatesPresented => TlsError::NoCertificate,
        Error::AlertReceived(alert) => TlsError::Alert { alert: u8::from(*alert) },
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

fn certificate(error: &CertificateError) -> TlsError {
    match error {
        CertificateError::BadSignature => TlsError::BadSignature,
        CertificateError::UnknownIssuer => TlsError::UnknownIssuer,
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
        other => TlsError::BadCertificate { what: other.to_string().into() },
    }
}

/// The name in `DnsName("example.invalid")`.
fn name_of(presented: &str) -> &str {
    let inner = presented.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(presented).trim_matches('"')
}

/// `NoCipherSuitesInCommon` as words.
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
