//! Errors of reaching an agent.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::address::{Address, AgentUrl};
use crate::connection::{Direction, LimitExceeded, NotAdmitted, TlsError};
use crate::wire::Printable;

/// Why a call of [`Container::connect`](super::Container::connect) failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The container is reachable, but has no such agent.
    #[error(
        "Agent \"{}\" does not exist in Container('{}')",
        Printable(url.aid()),
        Printable(url.address())
    )]
    NoSuchAgent {
        /// The requested URL.
        url: AgentUrl,
    },
    /// The agent has another type than at the first connect.
    ///
    /// Most likely its container was restarted, and assigned its ids in another order.
    #[error(
        "{} is a {} now, and was a {} when it was connected to; ids follow the order in which agents are spawned: find \
         the agent anew, or give its type the old name (`#[agent(name = ..)]`)",
        Printable(&url.to_string()),
        Printable(found),
        Printable(expected)
    )]
    WrongType {
        /// The URL of the agent.
        url: AgentUrl,
        /// The name of its type at the first connect.
        expected: Arc<str>,
        /// The name of its type now.
        found: Arc<str>,
    },
    /// No connection could be opened within the limit.
    #[error("{}", Unreachable(address, *attempts, last))]
    Unreachable {
        /// The address of the container.
        address: Address,
        /// How many attempts have failed in a row.
        attempts: u32,
        /// Why the last one failed.
        last: DialError,
    },
    /// The [`RetryLimit`](super::RetryLimit) expired before an attempt had a result.
    #[error("{stage} {} took too long; give connect() more patience", Printable(url))]
    TimedOut {
        /// The requested URL.
        url: AgentUrl,
        /// The step under way.
        stage: Stage,
    },
    /// The connection was lost while the peer was asked for the agent.
    #[error(
        "lost the connection to {} while asking for an agent: {}",
        Printable(address),
        Printable(reason)
    )]
    Lost {
        /// The address of the container.
        address: Address,
        /// Why the connection was lost.
        reason: Arc<str>,
    },
    /// The peer did not answer whether the agent exists.
    #[error("cannot ask for {}: {}", Printable(url), Printable(reason))]
    NotValidated {
        /// The requested URL.
        url: AgentUrl,
        /// The peer's answer instead, or why the question failed.
        reason: Arc<str>,
    },
    /// This container refused the call.
    #[error(transparent)]
    Refused(#[from] ContainerError),
}

/// The step of a call of `connect`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// Opening a connection.
    Dialling,
    /// Asking the peer for the agent.
    Validating,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dialling => "connecting to",
            Self::Validating => "asking for",
        })
    }
}

/// The text of [`ConnectError::Unreachable`].
struct Unreachable<'a>(&'a Address, u32, &'a DialError);

impl fmt::Display for Unreachable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(address, attempts, last) = self;
        let address = Printable(address);
        let plural = if *attempts == 1 { "" } else { "s" };
        // A socket's path that does not exist means the same as a closed port.
        if matches!(last.kind, io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) {
            write!(
                f,
                "no listener at {address} ({last}, {attempts} attempt{plural}); \
                 start the peer or give connect() more patience"
            )
        } else {
            write!(f, "cannot reach {address} ({last}, {attempts} attempt{plural})")
        }
    }
}

/// An attempt to open a connection failed. Made from an [`io::Error`] or an [`io::ErrorKind`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialError {
    kind: io::ErrorKind,
    message: Option<Arc<str>>,
    tls: Option<TlsError>,
}

impl DialError {
    /// Returns the kind of the failure.
    #[must_use]
    pub const fn kind(&self) -> io::ErrorKind {
        self.kind
    }

    /// Returns the TLS error, if TLS failed.
    #[must_use]
    pub const fn tls(&self) -> Option<&TlsError> {
        self.tls.as_ref()
    }

    /// Creates the error of an attempt that has timed out.
    pub(super) fn timed_out(after: Duration) -> Self {
        let text = format!("no connection within {after:?}, `ContainerConfig::dial_timeout`");
        Self { kind: io::ErrorKind::TimedOut, message: Some(text.into()), tls: None }
    }

    /// Creates the error of a connection that was lost before the peer answered.
    pub(super) fn lost(reason: &str) -> Self {
        let message = Some(format!("connection lost: {reason}").into());
        Self { kind: io::ErrorKind::ConnectionAborted, message, tls: None }
    }
}

impl From<io::ErrorKind> for DialError {
    fn from(kind: io::ErrorKind) -> Self {
        Self { kind, message: None, tls: None }
    }
}

impl From<io::Error> for DialError {
    fn from(error: io::Error) -> Self {
        // The kind describes an error of the operating system fully; others have a text of their own, such as
        // "certificate expired".
        let message = error.get_ref().map(|inner| inner.to_string().into());
        Self { kind: error.kind(), message, tls: TlsError::of(&error).cloned() }
    }
}

impl fmt::Display for DialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message {
            Some(message) => Printable(message).fmt(f),
            None => self.kind.fmt(f),
        }
    }
}

impl std::error::Error for DialError {}

/// Why a peer did not answer whether an agent exists.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ValidateError {
    /// The connection is lost, for this reason.
    ///
    /// It has the same effect as [`Container::handle_closed`](super::Container::handle_closed), which the host has to
    /// call nevertheless, before or after.
    #[error("connection lost: {}", Printable(.0))]
    Lost(Arc<str>),
    /// The peer answered with a failure or an invalid name, or the call was rejected.
    #[error("{}", Printable(.0))]
    Failed(Arc<str>),
}

/// A limit of this container was exceeded, or the container is shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContainerError {
    /// The limit of agents is reached.
    #[error("the container has {limit} agents already (`ContainerConfig::max_agents`)")]
    TooManyAgents {
        /// The limit.
        limit: usize,
    },
    /// The limit of pending calls of `connect` is reached.
    #[error("{limit} calls of connect() are under way already (`ContainerConfig::max_waiters`)")]
    TooManyWaiters {
        /// The limit.
        limit: usize,
    },
    /// The limit of connections to other containers is reached.
    #[error("{limit} connections have been opened already (`ContainerConfig::max_dialled`)")]
    TooManyDialled {
        /// The limit.
        limit: usize,
    },
    /// The limit of accepted connections is reached, in total or from one address.
    #[error(transparent)]
    NotAdmitted(NotAdmitted),
    /// The container is shut down.
    #[error("the container is shut down")]
    ShutDown,
}

impl ContainerError {
    /// Returns the limit that was exceeded, if any, in numbers.
    #[must_use]
    pub const fn exceeded(self) -> Option<LimitExceeded> {
        let (setting, limit) = match self {
            Self::TooManyAgents { limit } => ("ContainerConfig::max_agents", limit),
            Self::TooManyWaiters { limit } => ("ContainerConfig::max_waiters", limit),
            Self::TooManyDialled { limit } => ("ContainerConfig::max_dialled", limit),
            Self::NotAdmitted(why) => return Some(why.exceeded()),
            Self::ShutDown => return None,
        };
        Some(LimitExceeded::one_more(setting, limit, Direction::Out))
    }
}

impl From<NotAdmitted> for ContainerError {
    fn from(why: NotAdmitted) -> Self {
        Self::NotAdmitted(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_tell_what_and_where() {
        let address: Address = "tcp://127.0.0.1:1".parse().unwrap();
        let unreachable =
            |attempts, last| ConnectError::Unreachable { address: address.clone(), attempts, last };
        let refused = io::ErrorKind::ConnectionRefused;
        assert_eq!(
            unreachable(1, refused.into()).to_string(),
            "no listener at tcp://127.0.0.1:1 (connection refused, 1 attempt); \
             start the peer or give connect() more patience"
        );
        let expired = io::Error::new(io::ErrorKind::InvalidData, "certificate expired");
        assert_eq!(
            unreachable(2, expired.into()).to_string(),
            "cannot reach tcp://127.0.0.1:1 (certificate expired, 2 attempts)"
        );
        let url = AgentUrl::new(address, "9");
        assert_eq!(
            ConnectError::NoSuchAgent { url: url.clone() }.to_string(),
            "Agent \"9\" does not exist in Container('tcp://127.0.0.1:1')"
        );
        assert_eq!(
            ConnectError::TimedOut { url, stage: Stage::Dialling }.to_string(),
            "connecting to tcp://127.0.0.1:1/9 took too long; give connect() more patience"
        );
    }
}
