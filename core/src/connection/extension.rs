//! The extensions Cancel and Deadline: messages beyond request, result and failure.
//!
//! - `[3, id, null]`: the caller has cancelled its request `id`. The request is no longer answered.
//! - `[4, id, [options, content]]`: a request with options, which are a map. Unknown options are ignored.
//!   `deadline` is how long the caller waits after the request arrives: a number of microseconds. After that
//!   time the request is no longer answered: the caller has ended the call itself. (The clocks of the peers
//!   need not agree. Any language has whole numbers up to 2⁵³, which is 285 years in microseconds.)

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

/// The type of a message that cancels a request.
pub(super) const CANCEL: u64 = 3;
/// The type of a request with options.
pub(super) const DEADLINE: u64 = 4;

/// The bytes around the content of a request that has options.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wrapping {
    /// In microseconds.
    deadline: Option<u64>,
}

impl Wrapping {
    /// No options.
    pub(super) const NONE: Self = Self { deadline: None };

    /// Returns the wrapping for `options`, as far as the agreed `extensions` allow.
    #[inline]
    pub(super) fn of(extensions: Extensions, options: CallOptions) -> Self {
        let timeout = options.timeout.filter(|_| extensions.deadline);
        // Rounded up, so that a request with time left does not arrive too late. A timeout that does not fit
        // is omitted.
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

    /// Returns the bytes behind the content.
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

/// Splits a request with options into its content and the caller's timeout.
pub(super) fn unwrap_options(
    wrapped: &Payload,
) -> Result<(Payload, Option<Duration>), RemoteError> {
    let unwrapped = || {
        let (format, codec_context, bytes) =
            (wrapped.format(), wrapped.codec_context(), wrapped.bytes());
        let not_two = CodecError::Syntax { at: 0, what: "it is no array of options and content" };
        // As for any request, only the part before the content is examined: the content may be long.
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

/// The failure for a request that arrives after its deadline.
pub(super) fn too_late() -> RemoteError {
    RemoteError::new("TimeoutError", "the deadline of the request has passed already")
}

impl<X> Connection<X> {
    /// Handles the cancellation of a request by the peer.
    ///
    /// It has no effect if the request was never made, is answered, or has an id that is not a number.
    pub(super) fn handle_cancel(&mut self, id: &MessageId) -> Option<Event<X>> {
        let number = self.requests.cancel(id)?;
        self.stats.cancelled += 1;
        if self.is_waiting(number) {
            return None;
        }
        Some(Event::Cancelled { request: RequestId(number), cause: CancelCause::Caller })
    }

    /// Returns whether an unanswered request has an [`Event::Cancelled`], queued or polled.
    #[must_use]
    pub fn is_cancelled(&self, token: &ReplyToken) -> bool {
        token.kept && !self.is_closed() && !self.requests.contains(token.number)
    }

    /// Ends the requests whose deadlines have passed, without an answer.
    ///
    /// A failure could arrive before the caller's own timeout, which says more.
    pub(super) fn expire_requests(&mut self) {
        while let Some(number) = self.requests.expire(self.now) {
            self.stats.cancelled += 1;
            if self.is_waiting(number) {
                // The owner has never seen the request, and may not before the connection closes.
                continue;
            }
            let (request, cause) = (RequestId(number), CancelCause::Deadline);
            self.events.push_back(Event::Cancelled { request, cause });
        }
    }

    /// Cancels our call `id` at the peer, if the peer knows the extension.
    ///
    /// If the request had a deadline, the deadline passes at the peer as well, so a timeout needs no message.
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
        // The message is optional.
        let _sent = self.send_aside(CANCEL, id);
    }

    /// Sends `[code, id, null]` if there is room, so it never overflows the output.
    ///
    /// Returns whether the message is queued.
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

/// The longest valid options, in bytes.
const MAX_OPTIONS: usize = 1024;
/// An upper bound on the bytes of a cancellation or a heartbeat.
const MAX_ASIDE: usize = 64;
