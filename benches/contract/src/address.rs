//! Addresses of contestants.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// An address: `tcp://HOST:PORT`, `ipc://[PATH]` or `tls://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A host and a port.
    Tcp(String),
    /// The path of a Unix socket.
    Unix(PathBuf),
    /// A host and a port, reached over TLS.
    Tls(String),
}

impl Address {
    /// Returns the host and the port of a TCP address.
    ///
    /// # Errors
    /// The address is of another kind.
    pub fn tcp(&self) -> Result<&str, String> {
        match self {
            Self::Tcp(host) => Ok(host),
            _ => Err(format!("{self} is no TCP address")),
        }
    }

    /// Returns the address with the port that the system has chosen.
    #[must_use]
    pub fn bound(&self, port: u16) -> Self {
        let with_port = |host: &str| {
            let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
            format!("{host}:{port}")
        };
        match self {
            Self::Tcp(host) => Self::Tcp(with_port(host)),
            Self::Tls(host) => Self::Tls(with_port(host)),
            Self::Unix(path) => Self::Unix(path.clone()),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host) => write!(f, "tcp://{host}"),
            Self::Tls(host) => write!(f, "tls://{host}"),
            Self::Unix(path) => write!(f, "ipc://[{}]", path.display()),
        }
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let host = |host: &str| match host.rsplit_once(':') {
            Some((name, port)) if !name.is_empty() && port.parse::<u16>().is_ok() => {
                Ok(host.to_owned())
            }
            _ => Err(format!("\"{host}\" is no HOST:PORT")),
        };
        if let Some(rest) = text.strip_prefix("tcp://") {
            host(rest).map(Self::Tcp)
        } else if let Some(rest) = text.strip_prefix("tls://") {
            host(rest).map(Self::Tls)
        } else if let Some(path) =
            text.strip_prefix("ipc://[").and_then(|rest| rest.strip_suffix(']'))
        {
            Ok(Self::Unix(path.into()))
        } else {
            Err("must be tcp://HOST:PORT, ipc://[PATH] or tls://HOST:PORT".into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_what_they_print() {
        for text in ["tcp://127.0.0.1:80", "tls://localhost:0", "ipc://[/tmp/a socket]"] {
            assert_eq!(text.parse::<Address>().map(|address| address.to_string()), Ok(text.into()));
        }
        for text in ["", "127.0.0.1:80", "tcp://", "tcp://:80", "tcp://host:x", "ipc:///tmp/a"] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_port_that_was_chosen() {
        let address: Address = "tls://127.0.0.1:0".parse().expect("an address");
        assert_eq!(address.bound(5555).to_string(), "tls://127.0.0.1:5555");
    }
}
