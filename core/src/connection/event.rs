//! What a connection tells its owner.

use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use super::tls::TlsError;
use crate::wire::{Codec, CodecError, Format, FrameError, MessageId, Payload, RemoteError};

/// A call of ours. Unique on its connection, for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(#[doc(hidden)] pub u64);

impl CallId {
    /// The id on the wire.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

/// Something that happened on a connection.
#[derive(Debug)]
pub enum Event<X> {
    /// The codec is settled. Calls may be made before.
    Open {
        /// What we write.
        codec: Codec,
    },
    /// One of our calls has ended. Each call ends exactly once, unless it is abandoned.
    Answer {
        /// The call.
        id: CallId,
        /// The context that was given with the call.
        ctx: X,
        /// What came of it.
        result: Result<Payload, CallError>,
    },
    /// The peer asks for something. Answer it with the token.
    Request(Request),
    /// Nobody waits any more for the answer to a request of the peer. What is done about it is in vain: let
    /// it end, and hand the token to [`Connection::discard`](super::Connection::discard) when it has; until then
    /// it counts against [`Limits::max_calls_in`](super::Limits::max_calls_in).
    Cancelled {
        /// The request, as [`ReplyToken::request`] has told it.
        request: RequestId,
        /// Why.
        cause: CancelCause,
    },
    /// After a call was refused with [`CallRejected::OutputFull`]: calls are taken again.
    Writable,
    /// The connection is over. This is the last event.
    Closed {
        /// Why.
        reason: CloseReason,
    },
}

/// A request of the peer.
#[derive(Debug)]
#[non_exhaustive]
pub struct Request {
    /// To be handed back with the answer.
    pub token: ReplyToken,
    /// What is asked, undecoded.
    pub content: Payload,
    /// When the caller waits no longer, if it has said so: see [`Extensions::deadline`](super::Extensions).
    pub deadline: Option<Instant>,
}

/// A request of the peer. Unique on its connection, for ever; a later one is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(super) u64);

/// Why nobody waits any more for the answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CancelCause {
    /// The caller has given it up: see [`Extensions::cancel`](super::Extensions).
    Caller,
    /// Its deadline has passed: see [`Extensions::deadline`](super::Extensions). The caller's has as well, so it
    /// is not told.
    Deadline,
}

/// The right to answer one request of the peer, once.
///
/// Requests that are never answered count against
/// [`Limits::max_calls_in`](super::Limits::max_calls_in): give the tokens of those to
/// [`Connection::discard`](super::Connection::discard).
#[derive(Debug)]
#[must_use = "the peer waits for an answer"]
pub struct ReplyToken {
    pub(super) id: MessageId,
    pub(super) coding: Coding,
    /// The bytes of its message, up to 4 GiB.
    pub(super) size: u32,
    pub(super) number: u64,
    /// Whether it may be cancelled, or has a deadline.
    pub(super) kept: bool,
}

impl ReplyToken {
    /// The request.
    #[must_use]
    pub const fn request(&self) -> RequestId {
        RequestId(self.number)
    }

    /// The id of the request on the wire, of which the peer knows it.
    #[must_use]
    pub const fn message_id(&self) -> &MessageId {
        &self.id
    }

    /// Whether there may be an [`Event::Cancelled`] for the request.
    #[must_use]
    pub const fn is_cancellable(&self) -> bool {
        self.kept
    }

    /// The format in which the answer must be encoded: that of the request.
    #[must_use]
    pub const fn format(&self) -> Format {
        match self.coding {
            Coding::Json => Format::Json,
            _ => Format::MsgPack,
        }
    }
}

/// What a request was written in, as far as it has to be remembered: requests are moved often, and a
/// [`Codec`] is large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    Json,
    MsgPack,
    #[cfg(feature = "blosc")]
    MsgPackBlosc,
    /// The one custom codec that the connection has.
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
    /// No answer came in time. A late one is ignored. The peer may still be working on it, unless it knows of
    /// [deadlines or of cancelling](super::Extensions).
    #[error("{} within {after:?} (`CallOptions::timeout`)", unanswered(*sent))]
    TimedOut {
        /// The time that was allowed.
        after: Duration,
        /// Whether the whole request was written to the stream. If not, the peer has done nothing of it.
        sent: bool,
    },
    /// The connection ended before the answer came. The peer may or may not have done what was asked.
    #[error("the connection was lost before the answer came: {0}")]
    Lost(CloseReason),
}

/// What has not happened to a call in time.
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
        /// How many bytes of the frame had come.
        unread: usize,
    },
    /// The stream broke.
    #[error("the stream broke: {}", Broken(*.0))]
    Broken(io::ErrorKind),
    /// The stream is not secure any more.
    #[error("{0}")]
    Tls(TlsError),
    /// The peer's framing is not acceptable.
    #[error("{0}")]
    Frame(FrameError),
    /// A message of the peer cannot be read.
    #[error("the peer sent a message that cannot be read as {codec:?}: {error}")]
    Malformed {
        /// The codec it seemed to be in.
        codec: Codec,
        /// What is wrong with it.
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
    /// The peer sent a message of a type that is not known on this connection.
    #[error("the peer sent a message of the unknown type {code}")]
    UnknownType {
        /// The message's type.
        code: u64,
    },
    /// Something did not happen in time.
    #[error("{0}")]
    TimedOut(TimeoutReason),
}

/// The text of [`CloseReason::Broken`].
struct Broken(io::ErrorKind);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            // Of keep-alive, or of what was sent again and again.
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

/// How a stream has failed.
impl From<io::Error> for CloseReason {
    fn from(error: io::Error) -> Self {
        match TlsError::of(&error) {
            Some(error) => Self::Tls(error.clone()),
            None => Self::Broken(error.kind()),
        }
    }
}

/// What Blosc begins with, which `Config::accept` alone does not decide about.
const fn hint(first: u8) -> &'static str {
    match first {
        2 => ", as Blosc does; `Limits::unpacking`",
        _ => "",
    }
}

/// What a connection's timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum TimeoutReason {
    /// A call's own timeout.
    #[error("a call was not answered in time")]
    Call,
    /// No call was in flight, and nothing moved.
    #[error("nothing was called for {after:?} (`Limits::idle`)")]
    Idle {
        /// The time that is allowed.
        after: Duration,
    },
    /// The peer has not answered our Hello.
    #[error("the peer did not answer Hello within {after:?} (`Limits::handshake`)")]
    Handshake {
        /// The time that is allowed.
        after: Duration,
    },
    /// The peer has connected, and said nothing.
    #[error("the peer sent no whole frame within {after:?} of connecting (`Limits::first_frame`)")]
    FirstFrame {
        /// The time that is allowed.
        after: Duration,
    },
    /// The peer has begun a frame, and sends it too slowly.
    #[error(
        "the peer sent {received} bytes of a frame, and not the rest, within {after:?} (`Limits::progress`)"
    )]
    Frame {
        /// How many bytes have come, the header included.
        received: usize,
        /// The time that is allowed for these.
        after: Duration,
    },
    /// The peer was silent, was asked whether it is alive, and did not answer: see
    /// [`Extensions::heartbeat`](super::Extensions). Before that, the time to ask it.
    #[error(
        "the peer did not answer a heartbeat within {after:?} (`Limits::keep_alive`): its process stands still, or one \
         of its methods blocks it"
    )]
    Heartbeat {
        /// The time that is allowed.
        after: Duration,
    },
    /// The peer does not read what we write.
    #[error(
        "the peer has taken nothing within {after:?} of {waiting} bytes that wait to be written (`Limits::send_timeout`)"
    )]
    Output {
        /// How many bytes wait.
        waiting: usize,
        /// The time that is allowed.
        after: Duration,
    },
    /// The peer's next message is compressed, and is not unpacked before. It closes nothing.
    #[error(
        "the peer's messages grow faster than by {rate} bytes per second; the next one, of {length} bytes when \
         it is unpacked, waits (`Limits::unpacking`)"
    )]
    Unpacking {
        /// How many bytes the message says that it becomes.
        length: usize,
        /// How many bytes per second are allowed.
        rate: usize,
    },
    /// The deadline of a request of the peer.
    #[error("a request was not answered before its deadline")]
    Deadline,
    /// Answers are still missing or unwritten while closing.
    #[error("closing took too long (`Close::AfterAnswers` or `Config::linger`)")]
    Drain,
}

/// A call was refused. Nothing was sent.
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused<X> {
    /// Why.
    pub why: CallRejected,
    /// The context that was given with the call.
    pub ctx: X,
}

/// Why something was refused on this side.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallRejected {
    /// The connection is closed, or about to be.
    #[error("the connection is closed")]
    Closed,
    /// Nobody waits for this answer: the caller has given the request up, or its deadline has passed.
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
    /// Too many bytes wait to be written. [`Event::Writable`] will tell when to try again.
    #[error("{waiting} bytes wait to be written; the limit is {limit} (`Limits::output_high`)")]
    OutputFull {
        /// How many wait.
        waiting: usize,
        /// The limit.
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
    /// The content cannot be written in the connection's codec.
    #[error(transparent)]
    Codec(CodecError),
    /// The content is encoded in another format than the connection writes.
    #[error("the content is encoded as {given:?}, but {wanted:?} is needed")]
    WrongFormat {
        /// What was given.
        given: Format,
        /// What is needed.
        wanted: Format,
    },
}

impl CallRejected {
    /// Whether it will do to try again when others have ended, or output has been written.
    #[must_use]
    pub const fn is_lack_of_room(&self) -> bool {
        matches!(self, Self::TooManyCalls { .. } | Self::OutputFull { .. })
    }
}

/// How to close a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Close {
    /// At once. What has not been written is dropped.
    Now,
    /// When everything that has been said so far is written. Answers are not waited for.
    AfterFlush,
    /// When the requests of both sides are answered, or after this long. New ones are refused.
    AfterAnswers {
        /// The time that is allowed.
        within: Duration,
    },
}

/// When something is due, and what.
pub(super) type Due = (Instant, TimeoutReason);
