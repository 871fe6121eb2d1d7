//! What can go wrong, for users of handles.

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

/// Why something did not work, split by whose fault it is. Every text says what to do, or which setting
/// there is.
///
/// `{:?}` is the text of `Display`, as a `main` that returns `Result<(), Error>` and `unwrap` print it; `{:#?}` shows
/// the variant and its fields.
#[derive(Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The method that was called has failed: the callee's fault, in its words.
    #[error(transparent)]
    Remote(RemoteError),
    /// No answer came in time. A late one is ignored. The callee may still be working on it, unless both sides have
    /// agreed on [deadlines or on cancelling](aiomas_core::connection::Extensions).
    #[error("{} within {after:?} (`with_timeout`)", unanswered(*sent))]
    TimedOut {
        /// The time that was allowed.
        after: Duration,
        /// Whether the request was sent: all of it was written to a stream, or an agent of this container got it. If
        /// not, the callee has done nothing of it: there was no connection, or the peer did not read.
        sent: bool,
    },
    /// The connection ended before the answer came. The callee may or may not have done what was asked.
    #[error("the connection was lost before the answer came: {0}")]
    Lost(CloseReason),
    /// The call was not even made: the connection is closed, or the arguments cannot be sent.
    #[error("the call was not made: {0}")]
    Refused(CallRejected),
    /// The answer is not of the type that was asked for.
    #[error("the answer is not what was asked for: {0}")]
    Answer(CodecError),
    /// Content of a message is not of the type that was asked for.
    #[error("the content is not what was asked for: {0}")]
    Content(CodecError),
    /// An agent cannot be reached.
    #[error(transparent)]
    Connect(ConnectError),
    /// A stream cannot be opened.
    #[error("cannot connect to {}: {}", Printable(address), Printable(text))]
    Dial {
        /// Where to.
        address: Address,
        /// What kind of failure.
        kind: io::ErrorKind,
        /// The system's words.
        text: Box<str>,
    },
    /// A stream is open, and no secure one.
    #[error("no TLS at {}: {error}", Printable(address))]
    Tls {
        /// Where to; for a stream that has come in, where we listen.
        address: Address,
        /// Why not.
        error: TlsError,
    },
    /// TLS cannot be configured like that.
    #[cfg(feature = "tls")]
    #[error(transparent)]
    TlsConfig(super::tls::TlsConfigError),
    /// An address cannot be listened at.
    #[error("cannot listen at {}: {}", Printable(address), Printable(text))]
    Bind {
        /// The address.
        address: Address,
        /// What kind of failure.
        kind: io::ErrorKind,
        /// The system's words.
        text: Box<str>,
    },
    /// A text is no address or URL.
    #[error(transparent)]
    Url(UrlError),
    /// A limit of the container was hit, or it is shut down.
    #[error(transparent)]
    Container(ContainerError),
    /// A clock cannot be set or slept on like that.
    #[error(transparent)]
    Clock(ClockError),
    /// A reference to a service of a peer that is no longer there, or that is our own.
    #[error("\"{}\" is no service that can be called from here: {why}", Printable(path))]
    NoTarget {
        /// The path of the service.
        path: Box<str>,
        /// Why not.
        why: &'static str,
    },
    /// A service is not in a container, nor in a server where that would do.
    #[error("the service is in no container and no server, or that is gone")]
    NoContainer,
    /// A container has ended, and agents in it have not stopped as they should.
    #[error("{}", Unstopped(agents))]
    NotStopped {
        /// Which, and why, in the order of their numbers.
        agents: Arc<[UnstoppedAgent]>,
    },
    /// There is no async runtime here, or the one that was here has ended.
    #[error("{text}")]
    Runtime {
        /// What is missing, and what to do.
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
    /// The runtime of what listens at `address` has ended.
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
            // A socket's path that does not exist means the same as a closed port.
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

    /// Which limit of this side was hit, in numbers, if it was one.
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

    /// The failure of the method that was called, if it is that.
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

/// What a [`Payload`](aiomas_core::wire::Payload) is, is told when it is decoded.
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

/// What the caller of a method gets that failed with this. A failure that came from elsewhere is passed on
/// as it is.
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
