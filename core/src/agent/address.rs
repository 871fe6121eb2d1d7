//! The addresses of containers and the URLs of agents, in aiomas' format.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::wire::Printable;

/// The longest address or URL that is parsed, in bytes.
pub const MAX_URL: usize = 4096;

/// The address at which a container listens.
///
/// Addresses are compared as text, as in aiomas: `localhost` and `127.0.0.1` are two addresses. They are parsed with or
/// without a slash at the end. In messages and files they are strings. A clone is cheap.
///
/// ```
/// use aiomas_core::agent::Address;
///
/// let address: Address = "tcp://[::1]:5555".parse()?;
/// assert_eq!(address, Address::Tcp { host: "::1".into(), port: 5555 });
/// assert_eq!(address.to_string(), "tcp://::1:5555"); // aiomas writes no brackets
/// # Ok::<(), aiomas_core::agent::UrlError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Address {
    /// A TCP socket, `tcp://host:port`.
    Tcp {
        /// A name or an IP address, IPv6 without brackets.
        host: Arc<str>,
        /// The port. With 0, the system chooses a free port when a container is bound.
        port: u16,
    },
    /// A Unix domain socket, `ipc://[path]`.
    Ipc(Arc<str>),
    /// A queue inside this process, `local://name`.
    Local(Arc<str>),
}

impl Address {
    /// Parses an address at the start of `url`. Also returns the text behind its slash, if it has one.
    fn parse_prefix(url: &str) -> Result<(Self, Option<&str>), UrlError> {
        if url.len() > MAX_URL {
            return Err(UrlError::TooLong { length: url.len(), limit: MAX_URL });
        }
        let error = |reason, at: &str| UrlError::Invalid {
            url: url.into(),
            // `at` is always a part of `url`.
            at: (at.as_ptr() as usize).saturating_sub(url.as_ptr() as usize),
            reason,
        };
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(error(UrlReason::NoScheme, url));
        };
        match scheme {
            "tcp" => {
                let (authority, rest) = split_slash(rest);
                let Some((host, port)) = authority.rsplit_once(':') else {
                    return Err(error(UrlReason::NoPort, authority));
                };
                let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
                let host = bare.unwrap_or(host);
                if host.is_empty() {
                    return Err(error(UrlReason::NoHost, host));
                }
                let strange =
                    |c: char| matches!(c, '[' | ']') || c.is_whitespace() || c.is_control();
                if let Some(at) = host.find(strange) {
                    return Err(error(UrlReason::BadHost, &host[at..]));
                }
                // `u16::from_str` would accept a plus sign.
                let digits = port.bytes().all(|byte| byte.is_ascii_digit());
                let port = match port.parse() {
                    Ok(number) if digits => number,
                    _ => return Err(error(UrlReason::BadPort, port)),
                };
                Ok((Self::Tcp { host: host.into(), port }, rest))
            }
            "ipc" => {
                let Some(path) = rest.strip_prefix('[') else {
                    return Err(error(UrlReason::NoBracket, rest));
                };
                let (path, rest) = match path.split_once("]/") {
                    Some((path, rest)) => (path, Some(rest)),
                    None => match path.strip_suffix(']') {
                        Some(path) => (path, None),
                        None => return Err(error(UrlReason::NoBracket, &rest[rest.len()..])),
                    },
                };
                Ok((Self::Ipc(path.into()), rest))
            }
            "local" => {
                let (name, rest) = split_slash(rest);
                Ok((Self::Local(name.into()), rest))
            }
            _ => Err(error(UrlReason::UnknownScheme, scheme)),
        }
    }
}

/// Splits at the first slash; `None` if there is none.
fn split_slash(text: &str) -> (&str, Option<&str>) {
    match text.split_once('/') {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

impl FromStr for Address {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        let (address, rest) = Self::parse_prefix(text)?;
        match rest {
            None | Some("") => Ok(address),
            Some(aid) => Err(UrlError::Invalid {
                url: text.into(),
                at: text.len() - aid.len(),
                reason: UrlReason::UnexpectedAid,
            }),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } => write!(f, "tcp://{host}:{port}"),
            Self::Ipc(path) => write!(f, "ipc://[{path}]"),
            Self::Local(name) => write!(f, "local://{name}"),
        }
    }
}

/// The URL of an agent: the address of its container, a slash, and its id (`aid`).
///
/// It accepts the URLs that aiomas accepts, with the same result, except for two cases that aiomas never writes: a port
/// must be a plain decimal number up to 65535 (Python's `int()` also accepts blanks, signs and underscores), and a host
/// must have at least one character and no blank or bracket inside. In messages and files it is a string, as aiomas
/// passes URLs on. A clone is cheap.
///
/// ```
/// use aiomas_core::agent::AgentUrl;
///
/// let url: AgentUrl = "tcp://127.0.0.1:5555/0".parse()?;
/// assert_eq!(url.address().to_string(), "tcp://127.0.0.1:5555");
/// assert_eq!(url.aid(), "0");
/// # Ok::<(), aiomas_core::agent::UrlError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AgentUrl {
    address: Address,
    aid: Arc<str>,
}

impl AgentUrl {
    /// Creates the URL of an agent in the container at `address`. `aid` must not be empty.
    #[must_use]
    pub fn new(address: Address, aid: impl Into<Arc<str>>) -> Self {
        Self { address, aid: aid.into() }
    }

    /// Returns the address of the agent's container.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Returns the agent's id in its container. It may contain slashes.
    #[must_use]
    pub fn aid(&self) -> &str {
        &self.aid
    }

    /// Returns the agent's id, shared.
    pub(super) fn shared_aid(&self) -> Arc<str> {
        Arc::clone(&self.aid)
    }
}

impl FromStr for AgentUrl {
    type Err = UrlError;

    fn from_str(text: &str) -> Result<Self, UrlError> {
        match Address::parse_prefix(text)? {
            (address, Some(aid)) if !aid.is_empty() => Ok(Self::new(address, aid)),
            _ => Err(UrlError::Invalid {
                url: text.into(),
                at: text.len(),
                reason: UrlReason::NoAid,
            }),
        }
    }
}

/// Allows `connect` and similar functions to take texts as well as values.
macro_rules! from_text {
    ($($type:ty)*) => {
        $(
            impl TryFrom<&str> for $type {
                type Error = UrlError;

                fn try_from(text: &str) -> Result<Self, UrlError> {
                    text.parse()
                }
            }

            impl TryFrom<&String> for $type {
                type Error = UrlError;

                fn try_from(text: &String) -> Result<Self, UrlError> {
                    text.parse()
                }
            }

            impl TryFrom<String> for $type {
                type Error = UrlError;

                fn try_from(text: String) -> Result<Self, UrlError> {
                    text.parse()
                }
            }

            impl From<&Self> for $type {
                fn from(value: &Self) -> Self {
                    value.clone()
                }
            }

            impl Serialize for $type {
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.collect_str(self)
                }
            }

            impl<'de> Deserialize<'de> for $type {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let text = Cow::<'de, str>::deserialize(deserializer)?;
                    text.parse().map_err(D::Error::custom)
                }
            }
        )*
    };
}

from_text! { Address AgentUrl }

impl fmt::Display for AgentUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.aid)
    }
}

/// Why a text is not an address or URL.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// The text is too long to be parsed.
    #[error("the url is {length} bytes long; at most {limit} are read (`MAX_URL`)")]
    TooLong {
        /// The length of the text, in bytes.
        length: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The text is malformed.
    #[error("cannot parse \"{}\": {reason} (at byte {at})", Printable(url))]
    Invalid {
        /// The text.
        url: Box<str>,
        /// The position of the error, in bytes from the start.
        at: usize,
        /// The error at this position.
        reason: UrlReason,
    },
}

/// The syntax error of a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlReason {
    /// The text has no `://`.
    #[error(
        "no \"tcp://\", \"ipc://\" or \"local://\"; an agent's URL looks like tcp://host:5555/0, \
         a container's address like tcp://host:5555"
    )]
    NoScheme,
    /// The scheme is unknown to aiomas.
    #[error("the scheme is none of tcp, ipc and local")]
    UnknownScheme,
    /// The host before the port is empty.
    #[error("no host")]
    NoHost,
    /// The host has an invalid character.
    #[error("a bracket or a blank inside the host")]
    BadHost,
    /// The text has no `:port`.
    #[error("no port")]
    NoPort,
    /// The port is not a number from 0 to 65535, in decimal digits.
    #[error("the port is no decimal number up to 65535")]
    BadPort,
    /// The path of a Unix socket is not in `[` and `]`.
    #[error("the path of a unix socket needs brackets, as in ipc://[/path]")]
    NoBracket,
    /// The agent id is missing.
    #[error("the number of the agent is missing, as in tcp://host:5555/0")]
    NoAid,
    /// The address of a container is followed by an agent id.
    #[error("an agent id where only the address of a container is expected")]
    UnexpectedAid,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tcp(host: &str, port: u16, aid: &str) -> AgentUrl {
        AgentUrl::new(Address::Tcp { host: host.into(), port }, aid)
    }

    /// The observed results of aiomas 2.0.1.
    #[test]
    fn agent_urls_are_read_as_aiomas_reads_them() {
        let good = [
            ("tcp://127.0.0.1:5/0", tcp("127.0.0.1", 5, "0")),
            ("tcp://[::1]:5/0", tcp("::1", 5, "0")),
            ("tcp://::1:5/a/b", tcp("::1", 5, "a/b")),
            ("tcp://h:5//0", tcp("h", 5, "/0")),
            ("tcp://h:5/ü/ö", tcp("h", 5, "ü/ö")),
            ("ipc://[x/y]/0", AgentUrl::new(Address::Ipc("x/y".into()), "0")),
            ("ipc://[]/0", AgentUrl::new(Address::Ipc("".into()), "0")),
            ("local://q/0", AgentUrl::new(Address::Local("q".into()), "0")),
        ];
        for (text, url) in good {
            assert_eq!(text.parse(), Ok(url), "{text}");
        }
        let bad = [
            ("tcp://127.0.0.1:5/", UrlReason::NoAid, 18),
            ("tcp://127.0.0.1/0", UrlReason::NoPort, 6),
            ("tcp://127.0.0.1:5", UrlReason::NoAid, 17),
            ("http://h:5/0", UrlReason::UnknownScheme, 0),
            ("ipc://x/0", UrlReason::NoBracket, 6),
            ("tcp://:5/0", UrlReason::NoHost, 6),
            ("tcp://h:0x5/0", UrlReason::BadPort, 8),
        ];
        for (text, reason, at) in bad {
            let error = UrlError::Invalid { url: text.into(), at, reason };
            assert_eq!(text.parse::<AgentUrl>(), Err(error), "{text}");
        }
    }

    /// aiomas reads all of these URLs, but never writes one.
    #[test]
    fn stricter_than_aiomas() {
        for (text, reason, at) in [
            ("tcp://h: 5/0", UrlReason::BadPort, 8),
            ("tcp://h:+5/0", UrlReason::BadPort, 8),
            ("tcp://h:5_0/0", UrlReason::BadPort, 8),
            ("tcp://h:65536/0", UrlReason::BadPort, 8),
            ("tcp://[]:5/0", UrlReason::NoHost, 7),
            ("tcp://[[h]]:5/0", UrlReason::BadHost, 7),
            ("tcp://a b:5/0", UrlReason::BadHost, 7),
        ] {
            let error = UrlError::Invalid { url: text.into(), at, reason };
            assert_eq!(text.parse::<AgentUrl>(), Err(error), "{text}");
        }
    }

    #[test]
    fn addresses_stand_alone_too() {
        for text in ["tcp://127.0.0.1:0", "ipc://[/path]", "local://q", "tcp://::1:5555"] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), text);
            assert_eq!(format!("{text}/").parse(), Ok(address.clone()));
            assert_eq!(AgentUrl::new(address, "0").to_string(), format!("{text}/0"));
        }
        let error = "ipc://[a]/b".parse::<Address>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot parse \"ipc://[a]/b\": an agent id where only the address of a container is \
             expected (at byte 10)"
        );
        let reason = UrlReason::NoBracket;
        let error = UrlError::Invalid { url: "ipc://[a".into(), at: 8, reason };
        assert_eq!("ipc://[a".parse::<Address>(), Err(error));
    }

    #[test]
    fn in_messages_they_are_texts() {
        for text in ["tcp://::1:5555", "ipc://[/path]", "local://q"] {
            let (address, url) = (text.parse::<Address>().unwrap(), format!("{text}/a/b"));
            let json = format!("\"{text}\"");
            assert_eq!(serde_json::to_string(&address).unwrap(), json);
            assert_eq!(serde_json::from_str::<Address>(&json).unwrap(), address);
            let json = format!("\"{url}\"");
            let url: AgentUrl = url.parse().unwrap();
            assert_eq!(serde_json::to_string(&url).unwrap(), json);
            assert_eq!(serde_json::from_str::<AgentUrl>(&json).unwrap(), url);
        }
        let error = serde_json::from_str::<AgentUrl>("\"local://q\"").unwrap_err().to_string();
        assert!(
            error.contains("the number of the agent is missing, as in tcp://host:5555/0"),
            "{error}"
        );
    }

    #[test]
    fn length_is_bounded() {
        let aid = "a".repeat(MAX_URL - "local://q/".len());
        assert!(format!("local://q/{aid}").parse::<AgentUrl>().is_ok());
        assert_eq!(
            format!("local://q/{aid}a").parse::<AgentUrl>(),
            Err(UrlError::TooLong { length: MAX_URL + 1, limit: MAX_URL })
        );
    }

    proptest! {
        #[test]
        fn what_is_read_is_written_alike(text in "(tcp|ipc|local)://[\\[\\]:/a1é ]{0,12}") {
            if let Ok(url) = text.parse::<AgentUrl>() {
                prop_assert_eq!(url.to_string().parse(), Ok(url));
            }
            if let Ok(address) = text.parse::<Address>() {
                prop_assert_eq!(address.to_string().parse(), Ok(address));
            }
        }
    }
}
