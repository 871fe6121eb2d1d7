//! Events: outputs of a connection to its owner.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use super::tls::TlsError;
use crate::wire::{Codec, CodecError, Format, FrameError, MessageId, Payload, RemoteError};

/// The id of one of our calls. Unique for the life of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(#[doc(hidden)] pub u64);

impl CallId {
    /// Returns the id on the wire.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// An event of a connection.
#[derive(Debug)]
pub enum Event<X> {
    /// The codec is agreed on. Calls may be made before.
    Open {
        /// The codec that we write.
        codec: Codec,
    },
    /// One of our calls has ended. Each call ends exactly once, unless it is cancelled.
    Answer {
        /// The call.
        id: CallId,
        /// The context that was given with the call.
        ctx: X,
        /// The result.
        result: Result<Payload, CallError>,
    },
    /// The peer sent a request. Answer it with the token.
    Request(Request),
    /// The peer no longer waits for the answer to a request.
    ///
    /// Further work on the request is useless: stop it, and then return the token to
    /// [`Connection::discard`](super::Connection::discard). Until then the request counts against
    /// [`Limits::max_calls_in`](super::Limits::max_calls_in).
    Cancelled {
        /// The request, as returned by [`ReplyToken::request`].
        request: RequestId,
        /// The reason.
        cause: CancelCause,
    },
    /// Calls are accepted again after a rejection with [`CallRejected::OutputFull`].
    Writable,
    /// The connection has ended. This is the last event.
    Closed {
        /// The reason.
        reason: CloseReason,
    },
}

/// A request of the peer.
#[derive(Debug)]
#[non_exhaustive]
pub struct Request {
    /// The token to answer with.
    pub token: ReplyToken,
    /// The content, not decoded.
    pub content: Payload,
    /// When the caller stops waiting, if known: see [`Extensions::deadline`](super::Extensions).
    pub deadline: Option<Instant>,
}

/// The number of a request of the peer. Unique for the life of its connection, and increasing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(super) u64);

/// Why the answer to a request is no longer needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CancelCause {
    /// The caller has cancelled the request: see [`Extensions::cancel`](super::Extensions).
    Caller,
    /// The deadline of the request has passed: see [`Extensions::deadline`](super::Extensions).
    ///
    /// The caller's own deadline has passed as well, so no answer is sent.
    Deadline,
}

/// The right to answer one request of the peer, once.
///
/// Unanswered requests count against [`Limits::max_calls_in`](super::Limits::max_calls_in): return the token
/// of a request without answer to [`Connection::discard`](super::Connection::discard).
#[derive(Debug)]
#[must_use = "the peer waits for an answer"]
pub struct ReplyToken {
    pub(super) id: MessageId,
    pub(super) coding: Coding,
    /// The size of the message in bytes, up to 4 GiB.
    pub(super) size: u32,
    pub(super) number: u64,
    /// Whether the request may be cancelled, or has a deadline.
    pub(super) kept: bool,
}

impl ReplyToken {
    /// Returns the number of the request.
    #[must_use]
    pub const fn request(&self) -> RequestId {
        RequestId(self.number)
    }

    /// Returns the id of the request on the wire, as chosen by the peer.
    #[must_use]
    pub const fn message_id(&self) -> &MessageId {
        &self.id
    }

    /// Returns whether an [`Event::Cancelled`] may follow for the request.
    #[must_use]
    pub const fn is_cancellable(&self) -> bool {
        self.kept
    }

    /// Returns the format of the request, in which the answer must be encoded.
    #[must_use]
    pub const fn format(&self) -> Format {
        match self.coding {
            Coding::Json => Format::Json,
            _ => Format::MsgPack,
        }
    }
}

/// The codec of a request, in short.
///
/// Requests are moved often, and a [`Codec`] is large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Json,
    MsgPack,
    #[cfg(feature = "blosc")]
    MsgPackBlosc,
    /// The custom codec of the connection.
    Custom,
}

impl Coding {
    #[inline]
    pub(super) const fn of(codec: Codec) -> Self {
        match codec {
            Codec::Json => Self::Json,
            Codec::MsgPack => Self::MsgPack,
            #[cfg(feature = "blosc")]
            Codec::MsgPackBlosc => Self::MsgPackBlosc,
            Codec::Custom(_) => Self::Custom,
        }
    }
}

/// Why a call of ours has no result.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CallError {
    /// The peer's method failed.
    #[error(transparent)]
    Remote(RemoteError),
    /// No answer came in time. A late answer is ignored.
    ///
    /// The peer may still be working on the request, unless it knows of [deadlines or of
    /// cancelling](super::Extensions).
    #[error("{} within {after:?} (`CallOptions::timeout`)", unanswered(*sent))]
    TimedOut {
        /// The timeout of the call.
        after: Duration,
        /// Whether the whole request was written to the stream. If not, the peer has not started on it.
        sent: bool,
    },
    /// The connection ended before the answer came. The peer may or may not have executed the request.
    #[error("the connection was lost before the answer came: {0}")]
    Lost(CloseReason),
}

/// Returns in words which step of a call did not happen in time.
#[doc(hidden)]
pub const fn unanswered(sent: bool) -> &'static str {
    if sent { "no answer" } else { "the request could not be sent" }
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CloseReason {
    /// We closed it.
    #[error("closed on this side")]
    Local,
    /// The peer closed it.
    #[error("closed by the peer")]
    Peer,
    /// The peer closed it in the middle of a frame.
    #[error("closed by the peer in the middle of a frame ({unread} bytes of it had come)")]
    Truncated {
        /// How many bytes of the frame had arrived.
        unread: usize,
    },
    /// The stream broke.
    #[error("the stream broke: {}", Broken(*.0))]
    Broken(io::ErrorKind),
    /// The stream is no longer secure.
    #[error("{0}")]
    Tls(TlsError),
    /// The peer's framing is not acceptable.
    #[error("{0}")]
    Frame(FrameError),
    /// A message of the peer is malformed.
    #[error("the peer sent a message that cannot be read as {codec:?}: {error}")]
    Malformed {
        /// The codec in which the message seemed to be.
        codec: Codec,
        /// The error of the codec.
        error: CodecError,
    },
    /// A message of the peer is in no codec that we accept.
    #[error(
        "the peer sent a message in a codec that is not accepted here (it begins with {first:#04x}{}; `Config::accept`)",
        hint(*first)
    )]
    CodecNotAccepted {
        /// The message's first byte.
        first: u8,
    },
    /// The peer answered a request that was never made.
    #[error("the peer answered a request that was never made")]
    UnknownReply,
    /// The peer sent a message of an unknown type.
    #[error("the peer sent a message of the unknown type {code}")]
    UnknownType {
        /// The message's type.
        code: u64,
    },
    /// A timeout expired.
    #[error("{0}")]
    TimedOut(TimeoutReason),
}

/// The text of [`CloseReason::Broken`].
struct Broken(io::ErrorKind);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            // The error of TCP keep-alive, or of too many retransmissions.
            kind @ io::ErrorKind::TimedOut => {
                write!(f, "{kind}; the peer's machine does not answer (`Limits::keep_alive`)")
            }
            kind => kind.fmt(f),
        }
    }
}

impl From<io::ErrorKind> for CloseReason {
    fn from(kind: io::ErrorKind) -> Self {
        Self::Broken(kind)
    }
}

/// Converts the failure of a stream.
impl From<io::Error> for CloseReason {
    fn from(error: io::Error) -> Self {
        match TlsError::of(&error) {
            Some(error) => Self::Tls(error.clone()),
            None => Self::Broken(error.kind()),
        }
    }
}

/// Returns a hint about Blosc, which `Config::accept` alone does not enable.
const fn hint(first: u8) -> &'static str {
    match first {
        2 => ", as Blosc does; `Limits::unpacking`",
        _ => "",
    }
}

/// The reason of a timeout of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum TimeoutReason {
    /// A call's own timeout.
    #[error("a call was not answered in time")]
    Call,
    /// No call was in flight, and no data moved.
    #[error("nothing was called for {after:?} (`Limits::idle`)")]
    Idle {
        /// The time limit.
        after: Duration,
    },
    /// The peer has not answered our Hello.
    #[error("the peer did not answer Hello within {after:?} (`Limits::handshake`)")]
    Handshake {
        /// The time limit.
        after: Duration,
    },
    /// The peer has connected, but sent no frame.
    #[error("the peer sent no whole frame within {after:?} of connecting (`Limits::first_frame`)")]
    FirstFrame {
        /// The time limit.
        after: Duration,
    },
    /// The peer sends a frame too slowly.
    #[error(
        "the peer sent {received} bytes of a frame, and not the rest, within {after:?} (`Limits::progress`)"
    )]
    Frame {
        /// How many bytes have arrived, the header included.
        received: usize,
        /// The time limit for these bytes.
        after: Duration,
    },
    /// The peer was silent, and did not answer a heartbeat: see [`Extensions::heartbeat`](super::Extensions).
    ///
    /// As the reason of a timer that is pending, it may also be the time to ask the peer.
    #[error(
        "the peer did not answer a heartbeat within {after:?} (`Limits::keep_alive`): its process stands still, or one \
         of its methods blocks it"
    )]
    Heartbeat {
        /// The time limit.
        after: Duration,
    },
    /// The peer does not read our output.
    #[error(
        "the peer has taken nothing within {after:?} of {waiting} bytes that wait to be written (`Limits::send_timeout`)"
    )]
    Output {
        /// How many bytes wait.
        waiting: usize,
        /// The time limit.
        after: Duration,
    },
    /// The peer's next compressed message waits for the rate of decompression. The connection stays open.
    #[error(
        "the peer's messages grow faster than by {rate} bytes per second; the next one, of {length} bytes when \
         it is unpacked, waits (`Limits::unpacking`)"
    )]
    Unpacking {
        /// The decompressed size that the message declares, in bytes.
        length: usize,
        /// The allowed rate in bytes per second.
        rate: usize,
    },
    /// The deadline of a request of the peer.
    #[error("a request was not answered before its deadline")]
    Deadline,
    /// Answers are still missing or unwritten while the connection closes.
    #[error("closing took too long (`Close::AfterAnswers` or `Config::linger`)")]
    Drain,
}

/// A rejected call. Nothing was sent.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused<X> {
    /// The reason.
    pub why: CallRejected,
    /// The context that was given with the call.
    pub ctx: X,
}

/// Why this side rejected a command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallRejected {
    /// The connection is closed or closing.
    #[error("the connection is closed")]
    Closed,
    /// The caller has cancelled the request, or its deadline has passed.
    #[error("the request has been cancelled, or its deadline has passed")]
    Cancelled,
    /// Too many calls are in flight.
    #[error(
        "{limit} calls are in flight already (`Limits::max_calls_out`, or what the peer allows)"
    )]
    TooManyCalls {
        /// The limit.
        limit: usize,
    },
    /// Too many bytes wait to be written. [`Event::Writable`] follows when there is room again.
    #[error("{waiting} bytes wait to be written; the limit is {limit} (`Limits::output_high`)")]
    OutputFull {
        /// How many bytes wait.
        waiting: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The message is longer than a frame may be.
    #[error(
        "the message has {length} bytes; a frame may have {limit} (`Limits::max_frame`, or what the peer allows)"
    )]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The codec of the connection cannot encode the content.
    #[error(transparent)]
    Codec(CodecError),
    /// The content is encoded in another format than the connection writes.
    #[error("the content is encoded as {given:?}, but {wanted:?} is needed")]
    WrongFormat {
        /// The format of the content.
        given: Format,
        /// The format of the connection.
        wanted: Format,
    },
}

impl CallRejected {
    /// Returns whether a retry may succeed later: after calls have ended, or output has been written.
    #[must_use]
    pub const fn is_lack_of_room(&self) -> bool {
        matches!(self, Self::TooManyCalls { .. } | Self::OutputFull { .. })
    }
}

/// How to close a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Close {
    /// Closes at once. Unwritten output is discarded.
    Now,
    /// Closes when all output so far is written, without waiting for answers.
    AfterFlush,
    /// Closes when the requests of both sides are answered, or after this time. New requests are refused.
    AfterAnswers {
        /// The time limit.
        within: Duration,
    },
}

/// A point in time, and the reason of the timeout that expires there.
pub(super) type Due = (Instant, TimeoutReason);
