//! The extensions Cancel and Deadline: messages beyond request, result and failure.
//!
//! - `[3, id, null]`: the caller has given up its request `id`. It is not answered any more.
//! - `[4, id, [options, content]]`: a request with options, which are a map. Unknown ones are ignored;
//!   `deadline` is how long the caller waits, from when the request comes: a number of microseconds. When that
//!   is over, it is not answered any more: the caller has ended the call itself. (Peers' clocks need not agree.
//!   Any language has whole numbers up to 2⁵³, which is 285 years of them.)

use std::time::Duration;

use bytes::BufMut;
use serde::Deserialize;

use super::Connection;
use super::config::{CallOptions, Extensions};
use super::event::{CancelCause, Event, ReplyToken, RequestId};
use crate::wire::codec::{Cursor, Item, write_u64};
use crate::wire::{
    CodecError, Format, Kind, MessageId, Payload, RemoteError, codec, envelope_tail,
};

/// The type of a message that gives up a request.
pub(super) const CANCEL: u64 = 3;
/// The type of a request with options.
pub(super) const DEADLINE: u64 = 4;

/// What is written around the content of a request that has options.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wrapping {
    /// In microseconds.
    deadline: Option<u64>,
}

impl Wrapping {
    /// Nothing.
    pub(super) const NONE: Self = Self { deadline: None };

    /// What `options` say, as far as that is agreed on.
    #[inline]
    pub(super) fn of(extensions: Extensions, options: CallOptions) -> Self {
        let timeout = options.timeout.filter(|_| extensions.deadline);
        // Rounded up: what has time left does not come too late. What is longer than anything is none.
        let micros = timeout.map(|timeout| timeout.as_nanos().div_ceil(1000));
        Self { deadline: micros.and_then(|micros| micros.try_into().ok()) }
    }

    pub(super) const fn kind(self) -> Kind {
        match self.deadline {
            None => Kind::Request,
            Some(_) => Kind::Extension(DEADLINE),
        }
    }

    #[inline]
    pub(super) fn begin(self, format: Format, out: &mut Vec<u8>) {
        let Some(deadline) = self.deadline else { return };
        match format {
            Format::Json => {
                out.put_slice(b"[{\"deadline\": ");
                write_u64(format, deadline, out);
                out.put_slice(b"}, ");
            }
            Format::MsgPack => {
                out.put_slice(b"\x92\x81\xa8deadline");
                write_u64(format, deadline, out);
            }
        }
    }

    /// What comes behind the content.
    #[inline]
    pub(super) const fn tail(self, format: Format) -> &'static [u8] {
        match (self.deadline, format) {
            (Some(_), Format::Json) => b"]]",
            _ => envelope_tail(format),
        }
    }
}

/// The options of a request.
#[derive(Deserialize)]
struct Options {
    #[serde(default)]
    deadline: Option<u64>,
}

/// What a request with options asks, and how long the caller waits.
pub(super) fn unwrap_options(
    wrapped: &Payload,
) -> Result<(Payload, Option<Duration>), RemoteError> {
    let unwrapped = || {
        let (format, codec_context, bytes) =
            (wrapped.format(), wrapped.codec_context(), wrapped.bytes());
        let not_two = CodecError::Syntax { at: 0, what: "it is no array of options and content" };
        // As of any request, only what stands before the content is looked at: that may be long.
        let head = &bytes[..bytes.len().min(MAX_OPTIONS)];
        let mut cursor = Cursor::new(format, head, codec_context.budget());
        let mut pair = cursor.begin_array()?;
        if !cursor.next(&mut pair)? || cursor.peek()? != Item::Map {
            return Err(not_two);
        }
        let options = cursor.skip()?;
        if !cursor.next(&mut pair)? {
            return Err(not_two);
        }
        let (start, mut end) = (cursor.position(), bytes.len());
        match format {
            Format::Json => {
                let last = bytes.iter().rposition(|byte| !byte.is_ascii_whitespace());
                end = last.filter(|at| bytes[*at] == b']' && *at > start).ok_or(not_two)?;
            }
            Format::MsgPack if cursor.next(&mut pair)? => return Err(not_two),
            Format::MsgPack => {}
        }
        let options: Options = codec::decode(format, &head[options], codec_context)?;
        Ok((wrapped.slice(start..end), options.deadline.map(Duration::from_micros)))
    };
    unwrapped().map_err(|error| {
        RemoteError::value_error(format_args!("a request with options cannot be read: {error}"))
    })
}

/// What a caller is told whose deadline has passed before it came.
pub(super) fn too_late() -> RemoteError {
    RemoteError::new("TimeoutError", "the deadline of the request has passed already")
}

impl<X> Connection<X> {
    /// The peer has given up a request. One that it has never made, that is answered, or whose id is no
    /// number, makes no difference.
    pub(super) fn handle_cancel(&mut self, id: &MessageId) -> Option<Event<X>> {
        let number = self.requests.cancel(id)?;
        self.stats.cancelled += 1;
        if self.is_waiting(number) {
            return None;
        }
        Some(Event::Cancelled { request: RequestId(number), cause: CancelCause::Caller })
    }

    /// Whether [`Event::Cancelled`] has been queued, or polled, for a request that has not been answered.
    #[must_use]
    pub fn is_cancelled(&self, token: &ReplyToken) -> bool {
        token.kept && !self.is_closed() && !self.requests.contains(token.number)
    }

    /// Ends the requests whose deadlines have passed. They are not answered: a failure could come before the
    /// caller's own timeout, which says more.
    pub(super) fn expire_requests(&mut self) {
        while let Some(number) = self.requests.expire(self.now) {
            self.stats.cancelled += 1;
            if self.is_waiting(number) {
                // Its owner has never seen it, and may not before the connection closes.
                continue;
            }
            let (request, cause) = (RequestId(number), CancelCause::Deadline);
            self.events.push_back(Event::Cancelled { request, cause });
        }
    }

    /// Nobody waits any more for the answer to our call `id`: tells the peer, if it knows what that means. A
    /// deadline passes there as well, if the request had one.
    #[inline]
    pub(super) fn cancel_call(&mut self, id: u64, timed_out: bool) {
        if self.extensions.cancel {
            self.send_cancel(id, timed_out);
        }
    }

    #[inline(never)]
    fn send_cancel(&mut self, id: u64, timed_out: bool) {
        if timed_out && self.extensions.deadline && id >= self.extended_from {
            return;
        }
        // It may stay unsaid.
        let _sent = self.send_aside(CANCEL, id);
    }

    /// Sends `[code, id, null]`, unless there is no room: it never makes the output overflow. Returns whether it is on
    /// its way.
    pub(super) fn send_aside(&mut self, code: u64, id: u64) -> bool {
        let full = self.outbox.held() + MAX_ASIDE > self.config.limits.output_cap;
        if full || self.is_closed() {
            return false;
        }
        let (codec, kind) = (self.codec, Kind::Extension(code));
        // A custom codec may fail.
        let sent = self.send(codec, kind, &MessageId::Number(id), |format, codec_context, out| {
            codec::encode(format, codec_context, &(), out)
        });
        sent.is_ok()
    }
}

/// Options with more bytes are none.
const MAX_OPTIONS: usize = 1024;
/// More bytes than a cancellation or a heartbeat takes.
const MAX_ASIDE: usize = 64;
