//! Errors of TLS below a connection. The state machines do not know TLS; they pass the errors on.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use crate::wire::Printable;

/// Why a stream is not, or no longer, secure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The peer's certificate is signed by an unknown authority.
    #[error(
        "the peer's certificate is signed by no authority {}; add the one that has signed it, or have it signed by one \
         of these",
        Authorities(authorities.as_deref())
    )]
    UnknownIssuer {
        /// The file with the known authorities, if they come from a file.
        authorities: Option<Box<str>>,
    },
    /// The peer's certificate has expired.
    #[error("the peer's certificate has expired; renew it there, or compare the clocks")]
    Expired,
    /// The peer's certificate is not valid yet, or our clock is wrong.
    #[error("the peer's certificate is not valid yet; compare the clocks")]
    NotValidYet,
    /// The peer's certificate has another name.
    #[error(
        "the peer's certificate is not for {}{}",
        Printable(wanted),
        WrongName(wanted, presented)
    )]
    WrongName {
        /// The name of the peer that we dialled.
        wanted: Box<str>,
        /// The names in the certificate, separated by commas.
        presented: Box<str>,
    },
    /// A signature does not fit: two authorities may have the same name.
    #[error(
        "the peer's certificate is not signed by the authority that it names, or the peer has not its key"
    )]
    BadSignature,
    /// The peer's certificate cannot be used, for another reason.
    #[error("the peer's certificate is not acceptable: {}", Printable(what))]
    BadCertificate {
        /// The defect.
        what: Box<str>,
    },
    /// The peer has sent no certificate. We require one of clients, too.
    #[error(
        "the peer has shown no certificate; clients need one as well as servers: give it one, signed by our authority"
    )]
    NoCertificate,
    /// The peer has ended the handshake with an alert.
    #[error("{}", Alert(*alert, certificate.as_deref()))]
    Alert {
        /// The reason, as a number of RFC 8446, section 6.
        alert: u8,
        /// The file with our certificate, if it comes from a file.
        certificate: Option<Box<str>>,
    },
    /// The peer's data is not TLS.
    #[error("the peer does not speak TLS; both sides have to, or neither")]
    NotTls,
    /// The peer supports no version or cipher of TLS that we do.
    #[error("the peer has no version or cipher of TLS in common with us: {}", Printable(what))]
    NothingInCommon {
        /// The missing feature.
        what: Box<str>,
    },
    /// The peer violates the protocol, or an attacker has changed its data.
    #[error("what the peer sent is no valid TLS: {}", Printable(what))]
    Invalid {
        /// The violation.
        what: Box<str>,
    },
    /// The stream ended before the handshake was complete.
    #[error("the peer closed the stream during the TLS handshake; does it speak TLS?")]
    Closed,
    /// The stream ended without the peer's closing message: an attacker may have cut it.
    #[error("the stream was cut: it ended without TLS's close_notify")]
    Truncated,
    /// The handshake took too long.
    #[error("no TLS handshake within {after:?} (`Limits::handshake`)")]
    TimedOut {
        /// The time limit.
        after: Duration,
    },
    /// The address has no host to compare with the certificate.
    #[error("the address has no host that a certificate could be for (`TlsConfig::server_name`)")]
    NoName,
    /// TLS does not work on this side.
    #[error("TLS failed on this side: {}", Printable(what))]
    Local {
        /// The problem.
        what: Box<str>,
    },
}

impl TlsError {
    /// Returns the TLS error inside the error of a stream, if there is one.
    #[must_use]
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    const fn kind(&self) -> io::ErrorKind {
        match self {
            Self::Closed | Self::Truncated => io::ErrorKind::UnexpectedEof,
            Self::TimedOut { .. } => io::ErrorKind::TimedOut,
            Self::NoName => io::ErrorKind::InvalidInput,
            Self::Local { .. } => io::ErrorKind::Other,
            _ => io::ErrorKind::InvalidData,
        }
    }
}

/// For transports, which fail with errors of streams.
impl From<TlsError> for io::Error {
    fn from(error: TlsError) -> Self {
        Self::new(error.kind(), error)
    }
}

/// The trusted authorities, in words.
struct Authorities<'a>(Option<&'a str>);

impl fmt::Display for Authorities<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(file) => write!(f, "in {file}"),
            None => f.write_str("that is trusted here"),
        }
    }
}

/// The names in a certificate, and how to fix the mismatch.
struct WrongName<'a>(&'a str, &'a str);

impl fmt::Display for WrongName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(wanted, presented) = self;
        let is_ip = wanted.parse::<IpAddr>().is_ok();
        let kind = if is_ip { "IP" } else { "DNS" };
        let presented = Printable(presented);
        if presented.0.is_empty() {
            let names = "it has no subject alternative names, and the common name does not count";
            return write!(f, ": {names}; sign it with `subjectAltName={kind}:{wanted}`");
        }
        if is_ip && presented.0.split(", ").any(|name| name == *wanted) {
            let as_name = "it has that as a DNS name, and not as an IP address";
            return write!(f, ": {as_name}; sign it with `subjectAltName=IP:{wanted}`");
        }
        write!(
            f,
            ", but for {presented}; connect to that, name it (`TlsConfig::server_name`), or sign it with \
             `subjectAltName={kind}:{wanted}`"
        )
    }
}

/// The text of an alert of the peer.
struct Alert<'a>(u8, Option<&'a str>);

impl Alert<'_> {
    const fn name(&self) -> &'static str {
        match self.0 {
            10 => "unexpected message",
            20 => "bad record MAC",
            22 => "record overflow",
            40 => "handshake failure",
            42 => "bad certificate",
            43 => "unsupported certificate",
            44 => "certificate revoked",
            45 => "certificate expired",
            46 => "certificate unknown",
            47 => "illegal parameter",
            48 => "unknown CA",
            49 => "access denied",
            50 => "decode error",
            51 => "decrypt error",
            70 => "protocol version",
            71 => "insufficient security",
            80 => "internal error",
            90 => "user canceled",
            112 => "unrecognized name",
            116 => "certificate required",
            _ => "unknown reason",
        }
    }
}

impl fmt::Display for Alert<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (does, cure) = match self.0 {
            42 | 46 | 49 => ("does not accept our certificate", "its log tells why"),
            43 => (
                "does not accept our certificate",
                "its extended key usages have to allow servers and clients; the log of the peer tells more",
            ),
            44 => ("does not accept our certificate", "have a new one signed"),
            45 => ("does not accept our certificate", "renew it, or compare the clocks"),
            48 => (
                "does not accept our certificate",
                "have it signed by an authority that the peer trusts",
            ),
            116 => ("wants a certificate of us", "give us one (`TlsConfig::from_pem_files`)"),
            _ => ("has given TLS up", ""),
        };
        write!(f, "the peer {does}")?;
        if let (Some(file), 42..=46 | 48 | 49) = (self.1, self.0) {
            write!(f, " ({file})")?;
        }
        write!(f, ": {} (alert {})", self.name(), self.0)?;
        if cure.is_empty() { Ok(()) } else { write!(f, "; {cure}") }
    }
}
