//! Errors that handles return.

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::unstopped::{Unstopped, UnstoppedAgent};
use aiomas_core::agent::{Address, ConnectError, ContainerError, UrlError};
use aiomas_core::clock::{ClockError, DateError};
use aiomas_core::connection::{CallError, CallRejected, CloseReason, LimitExceeded, TlsError};
use aiomas_core::internal::unanswered;
use aiomas_core::wire::Printable;
use aiomas_core::wire::{CodecError, RemoteError};

/// An error of a handle, split by the side at fault. Every text names the remedy or the setting.
///
/// `{:?}` prints the text of `Display`, because `unwrap` and a `main` that returns `Result<(), Error>` print `{:?}`.
/// `{:#?}` shows the variant and its fields.
#[derive(Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The called method failed: the callee's fault, in its words.
    #[error(transparent)]
    Remote(RemoteError),
    /// No answer came in time. A late answer is ignored. The callee may still be working on the call, unless both sides
    /// have agreed on [deadlines or cancelling](aiomas_core::connection::Extensions).
    #[error("{} within {after:?} (`with_timeout`)", unanswered(*sent))]
    TimedOut {
        /// The time allowed.
        after: Duration,
        /// Whether the request was sent: written to a stream in full, or delivered to an agent of this container. If
        /// not, the callee has not started the call: the connection was missing, or the peer did not read.
        sent: bool,
    },
    /// The connection ended before the answer came. The callee may or may not have run the call.
    #[error("the connection was lost before the answer came: {0}")]
    Lost(CloseReason),
    /// The call was not made: the connection is closed, or the arguments cannot be sent.
    #[error("the call was not made: {0}")]
    Refused(CallRejected),
    /// The answer does not have the requested type.
    #[error("the answer is not what was asked for: {0}")]
    Answer(CodecError),
    /// The content of a message does not have the requested type.
    #[error("the content is not what was asked for: {0}")]
    Content(CodecError),
    /// An agent cannot be reached.
    #[error(transparent)]
    Connect(ConnectError),
    /// A stream cannot be opened.
    #[error("cannot connect to {}: {}", Printable(address), Printable(text))]
    Dial {
        /// The address dialled.
        address: Address,
        /// The kind of failure.
        kind: io::ErrorKind,
        /// The system's words.
        text: Box<str>,
    },
    /// A stream opened, but its TLS handshake failed.
    #[error("no TLS at {}: {error}", Printable(address))]
    Tls {
        /// The address dialled; for an accepted stream, the address of the listener.
        address: Address,
        /// The cause.
        error: TlsError,
    },
    /// The TLS configuration is invalid.
    #[cfg(feature = "tls")]
    #[error(transparent)]
    TlsConfig(super::tls::TlsConfigError),
    /// A listener cannot bind an address.
    #[error("cannot listen at {}: {}", Printable(address), Printable(text))]
    Bind {
        /// The address.
        address: Address,
        /// The kind of failure.
        kind: io::ErrorKind,
        /// The system's words.
        text: Box<str>,
    },
    /// A text is not a valid address or URL.
    #[error(transparent)]
    Url(UrlError),
    /// The container hit a limit, or it is shut down.
    #[error(transparent)]
    Container(ContainerError),
    /// The clock rejects a time or a sleep.
    #[error(transparent)]
    Clock(ClockError),
    /// A reference names a service of a lost peer, or one of our own services.
    #[error("\"{}\" is no service that can be called from here: {why}", Printable(path))]
    NoTarget {
        /// The path of the service.
        path: Box<str>,
        /// The cause.
        why: &'static str,
    },
    /// The service is not in a container. Where a server suffices, it is not in a server either.
    #[error("the service is in no container and no server, or that is gone")]
    NoContainer,
    /// A container has ended, and some of its agents did not stop properly.
    #[error("{}", Unstopped(agents))]
    NotStopped {
        /// The agents and the causes, in the order of the agents' numbers.
        agents: Arc<[UnstoppedAgent]>,
    },
    /// No async runtime is active here, or the runtime has ended.
    #[error("{text}")]
    Runtime {
        /// The missing part, and the remedy.
        text: Box<str>,
    },
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return fmt::Display::fmt(self, f);
        }
        match self {
            Self::Remote(error) => f.debug_tuple("Remote").field(error).finish(),
            Self::TimedOut { after, sent } => {
                f.debug_struct("TimedOut").field("after", after).field("sent", sent).finish()
            }
            Self::Lost(reason) => f.debug_tuple("Lost").field(reason).finish(),
            Self::Refused(why) => f.debug_tuple("Refused").field(why).finish(),
            Self::Answer(error) => f.debug_tuple("Answer").field(error).finish(),
            Self::Content(error) => f.debug_tuple("Content").field(error).finish(),
            Self::Connect(error) => f.debug_tuple("Connect").field(error).finish(),
            Self::Dial { address, kind, text } => f
                .debug_struct("Dial")
                .field("address", address)
                .field("kind", kind)
                .field("text", text)
                .finish(),
            Self::Tls { address, error } => {
                f.debug_struct("Tls").field("address", address).field("error", error).finish()
            }
            #[cfg(feature = "tls")]
            Self::TlsConfig(error) => f.debug_tuple("TlsConfig").field(error).finish(),
            Self::Bind { address, kind, text } => f
                .debug_struct("Bind")
                .field("address", address)
                .field("kind", kind)
                .field("text", text)
                .finish(),
            Self::Url(error) => f.debug_tuple("Url").field(error).finish(),
            Self::Container(refusal) => f.debug_tuple("Container").field(refusal).finish(),
            Self::Clock(error) => f.debug_tuple("Clock").field(error).finish(),
            Self::NoTarget { path, why } => {
                f.debug_struct("NoTarget").field("path", path).field("why", why).finish()
            }
            Self::NoContainer => f.write_str("NoContainer"),
            Self::NotStopped { agents } => {
                f.debug_struct("NotStopped").field("agents", agents).finish()
            }
            Self::Runtime { text } => f.debug_struct("Runtime").field("text", text).finish(),
        }
    }
}

impl Error {
    /// Returns the error for a listener at `address` whose runtime has ended.
    #[cold]
    pub(super) fn runtime_ended(address: &Address) -> Self {
        let address = address.to_string();
        let address = Printable(&address);
        let text =
            format!("the runtime that {address} was bound on has ended; bind it on another one");
        Self::Runtime { text: text.into() }
    }

    pub(super) fn dial(address: &Address, error: &io::Error) -> Self {
        if let Some(error) = TlsError::of(error) {
            return Self::Tls { address: address.clone(), error: error.clone() };
        }
        let text = match error.kind() {
            // A missing socket file means the same as a closed port.
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => {
                format!("no listener there ({error}); start the peer first").into()
            }
            _ => error.to_string().into(),
        };
        Self::Dial { address: address.clone(), kind: error.kind(), text }
    }

    pub(super) fn bind(address: &Address, error: &io::Error) -> Self {
        if let Some(error) = TlsError::of(error) {
            return Self::Tls { address: address.clone(), error: error.clone() };
        }
        let text = match error.kind() {
            io::ErrorKind::AddrInUse => {
                let instead = match address {
                    Address::Tcp { .. } => "take port 0 for a free one",
                    Address::Ipc(_) => "take another path",
                    _ => "take another name",
                };
                format!("{error}; stop the listener there, or {instead}").into()
            }
            _ => error.to_string().into(),
        };
        Self::Bind { address: address.clone(), kind: error.kind(), text }
    }

    /// Returns the limit of this side that caused the error, in numbers.
    #[must_use]
    pub fn exceeded(&self) -> Option<LimitExceeded> {
        match self {
            Self::Lost(reason) => reason.exceeded(),
            Self::Refused(why) => why.exceeded(),
            Self::Tls { error, .. } => error.exceeded(),
            Self::Answer(error) | Self::Content(error) => error.exceeded(),
            Self::Container(refusal) | Self::Connect(ConnectError::Refused(refusal)) => {
                refusal.exceeded()
            }
            _ => None,
        }
    }

    /// Returns the failure of the called method, if the error is one.
    #[must_use]
    pub const fn remote(&self) -> Option<&RemoteError> {
        match self {
            Self::Remote(error) => Some(error),
            _ => None,
        }
    }
}

macro_rules! from {
    ($($error:ty => $variant:ident)*) => {
        $(
            impl From<$error> for Error {
                fn from(error: $error) -> Self {
                    Self::$variant(error)
                }
            }
        )*
    };
}

from! {
    RemoteError => Remote
    CallRejected => Refused
    ConnectError => Connect
    UrlError => Url
    ContainerError => Container
    ClockError => Clock
}

#[cfg(feature = "tls")]
from! { super::tls::TlsConfigError => TlsConfig }

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Remote(error) => Self::Remote(error),
            CallError::TimedOut { after, sent } => Self::TimedOut { after, sent },
            CallError::Lost(reason) => Self::Lost(reason),
        }
    }
}

/// Converts an error of decoding a [`Payload`](aiomas_core::wire::Payload).
impl From<CodecError> for Error {
    fn from(error: CodecError) -> Self {
        Self::Content(error)
    }
}

impl From<DateError> for Error {
    fn from(error: DateError) -> Self {
        ClockError::from(error).into()
    }
}

impl From<Infallible> for Error {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// Converts the error of a method into the failure that its caller receives. A remote failure passes through unchanged.
impl From<Error> for RemoteError {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Remote(error) => return error.clone(),
            Error::Refused(CallRejected::Codec(error)) => return Self::serialization(error),
            Error::TimedOut { .. } => "TimeoutError",
            Error::Lost(_)
            | Error::Refused(_)
            | Error::Connect(_)
            | Error::Dial { .. }
            | Error::Tls { .. } => "ConnectionError",
            Error::Answer(_) | Error::Content(_) => "TypeError",
            Error::Url(_) | Error::Clock(_) => "ValueError",
            _ => "RuntimeError",
        };
        Self::new(kind, error)
    }
}
