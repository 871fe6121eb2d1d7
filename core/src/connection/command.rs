//! Commands of the owner: calls, answers, closing.

use std::io;
use std::time::Instant;

use serde::Serialize;

use super::event::{CallId, CallRejected, Close, CloseReason, Refused, ReplyToken};
use super::extension::Wrapping;
use super::outbox::KEPT;
use super::{CallOptions, Connection, FailureText, Side, State};
use crate::wire::{
    Body, Codec, CodecContext, CodecError, Format, HEADER, Kind, MessageId, RemoteError, codec,
    write_head,
};

/// Lengths in bytes to which a failure is cut until it fits the peer's frame. (Escaped, a byte may take six.)
const CUTS: [usize; 4] = [2048, 512, 128, 0];

impl<X> Connection<X> {
    /// Sends a request with `content`, any serde value. `ctx` is returned with its answer.
    ///
    /// # Errors
    /// Returns the reason as [`CallRejected`]; nothing has been sent.
    pub fn call<T: Serialize + ?Sized>(
        &mut self,
        now: Instant,
        content: &T,
        options: CallOptions,
        ctx: X,
    ) -> Result<CallId, Refused<X>> {
        self.call_with(now, options, ctx, |format, codec_context, out| {
            codec::encode(format, codec_context, content, out)
        })
    }

    /// Sends a request whose content `write` appends to the output.
    ///
    /// `write` appends exactly one value, in the format and codec context that it receives.
    ///
    /// # Errors
    /// As [`call`](Self::call); an error of `write` is [`CallRejected::Codec`].
    pub fn call_with<W>(
        &mut self,
        now: Instant,
        options: CallOptions,
        ctx: X,
        write: W,
    ) -> Result<CallId, Refused<X>>
    where
        W: FnOnce(Format, &CodecContext, &mut Vec<u8>) -> Result<(), CodecError>,
    {
        self.start_call(now, options, ctx, |this, id, wrapping| {
            this.send_wrapped(this.codec, wrapping, wrapping.kind(), id, write)
        })
    }

    /// Sends a request with encoded content, in the format of [`codec`](Self::codec).
    ///
    /// A large body is not copied.
    ///
    /// # Errors
    /// As [`call`](Self::call), and [`CallRejected::WrongFormat`].
    pub fn call_body(
        &mut self,
        now: Instant,
        body: &Body,
        options: CallOptions,
        ctx: X,
    ) -> Result<CallId, Refused<X>> {
        self.start_call(now, options, ctx, |this, id, wrapping| {
            this.send_body(this.codec, wrapping, wrapping.kind(), id, body)
        })
    }

    fn start_call(
        &mut self,
        now: Instant,
        options: CallOptions,
        ctx: X,
        send: impl FnOnce(&mut Self, &MessageId, Wrapping) -> Result<(), CallRejected>,
    ) -> Result<CallId, Refused<X>> {
        self.advance(now);
        if let Err(why) = self.admit_call() {
            return Err(Refused { why, ctx });
        }
        let id = self.pending.reserve();
        let wrapping = Wrapping::of(self.extensions, options);
        match send(self, &MessageId::Number(id), wrapping) {
            Ok(()) => {
                // Only calls with a timeout need to know whether their request was sent.
                let end = options.timeout.map_or(0, |_| self.outbox.end());
                self.pending.insert_until(self.now, options.timeout, ctx, end);
                self.stats.requests_out += 1;
                Ok(CallId(id))
            }
            Err(why) => Err(Refused { why, ctx }),
        }
    }

    fn admit_call(&mut self) -> Result<(), CallRejected> {
        if !self.is_open() {
            return Err(CallRejected::Closed);
        }
        if self.pending.len() >= self.max_calls_out {
            return Err(CallRejected::TooManyCalls { limit: self.max_calls_out });
        }
        let (waiting, limit) = (self.outbox.held(), self.config.limits.output_high);
        if waiting >= limit {
            self.blocked = true;
            return Err(CallRejected::OutputFull { waiting, limit });
        }
        Ok(())
    }

    /// Cancels a call. Returns its context, unless the call has ended already.
    ///
    /// A late answer is ignored. A peer that knows [`Extensions::cancel`](super::Extensions) receives the
    /// cancellation; any other peer goes on working.
    pub fn cancel(&mut self, now: Instant, id: CallId) -> Option<X> {
        self.advance(now);
        let ctx = self.pending.remove(id.0);
        if ctx.is_some() {
            self.stats.unanswered += 1;
            self.last_moved = self.now;
            self.cancel_call(id.0, false);
        }
        self.finish_if_drained();
        ctx
    }

    /// Answers a request of the peer with any serde value.
    ///
    /// If the value cannot be encoded, or the answer is too long, the peer receives a `SerializationError`.
    ///
    /// # Errors
    /// [`CallRejected::Closed`] or [`CallRejected::Cancelled`], or why the value could not be sent.
    pub fn reply<T: Serialize + ?Sized>(
        &mut self,
        now: Instant,
        token: ReplyToken,
        value: &T,
    ) -> Result<(), CallRejected> {
        self.finish_request(now, &token)?;
        let sent = self.send(
            self.codec_of(&token),
            Kind::Result,
            &token.id,
            |format, codec_context, out| codec::encode(format, codec_context, value, out),
        );
        self.after_answer(&token, sent)
    }

    /// Answers a request of the peer with a failure, filtered by [`Limits::failure_text`](super::Limits).
    ///
    /// The text is cut to `Limits::max_failure`, and to the length of a frame.
    ///
    /// # Errors
    /// [`CallRejected::Closed`] or [`CallRejected::Cancelled`].
    pub fn fail(
        &mut self,
        now: Instant,
        token: ReplyToken,
        error: &RemoteError,
    ) -> Result<(), CallRejected> {
        self.finish_request(now, &token)?;
        self.send_failure(&token, error);
        self.finish_if_drained();
        Ok(())
    }

    /// Answers a request of the peer with the result of a service. A large body is not copied.
    ///
    /// # Errors
    /// As [`reply`](Self::reply), and [`CallRejected::WrongFormat`] if the body is not in
    /// [`ReplyToken::format`]. The peer receives an answer in any case.
    pub fn answer(
        &mut self,
        now: Instant,
        token: ReplyToken,
        result: &Result<Body, RemoteError>,
    ) -> Result<(), CallRejected> {
        let body = match result {
            Ok(body) => body,
            Err(error) => return self.fail(now, token, error),
        };
        self.finish_request(now, &token)?;
        let sent =
            self.send_body(self.codec_of(&token), Wrapping::NONE, Kind::Result, &token.id, body);
        self.after_answer(&token, sent)
    }

    /// Discards the right to answer.
    ///
    /// The peer receives no answer. The request no longer counts against
    /// [`Limits::max_calls_in`](super::Limits::max_calls_in).
    pub fn discard(&mut self, now: Instant, token: ReplyToken) {
        let _closed = self.finish_request(now, &token);
        self.finish_if_drained();
    }

    /// Closes the connection.
    pub fn close(&mut self, now: Instant, how: Close) {
        self.advance(now);
        let (until, answers) = match how {
            Close::Now => {
                self.finish(CloseReason::Local);
                return;
            }
            Close::AfterFlush => (self.config.linger, false),
            Close::AfterAnswers { within } => (within, true),
        };
        if self.is_closed() {
            return;
        }
        if !answers {
            self.lose_calls(&CloseReason::Local);
        }
        let reason = match &self.state {
            State::Draining { reason, .. } => reason.clone(),
            _ => CloseReason::Local,
        };
        if let State::Opening { hello, .. } = self.state {
            self.late_hello = Some(hello);
        }
        self.state = State::Draining { until: self.now.checked_add(until), reason, answers };
        self.finish_if_drained();
    }

    /// Returns the reason for closing in words; `None` while the connection is open.
    #[doc(hidden)]
    pub fn ending(&self) -> Option<String> {
        match &self.state {
            State::Draining { reason, .. } | State::Closed(reason) => Some(self.explain(reason)),
            State::Opening { .. } | State::Open => None,
        }
    }

    /// Puts `reason` into words, for callers that wait for a connection.
    ///
    /// aiomas closes a stream that it cannot read without a message, so the text hints at a wrong codec here.
    #[doc(hidden)]
    pub fn explain(&self, reason: &CloseReason) -> String {
        let by_peer = matches!(
            reason,
            CloseReason::Peer | CloseReason::Broken(io::ErrorKind::ConnectionReset)
        );
        if self.side == Side::Dialler && by_peer && self.stats.frames_in == 0 {
            format!(
                "{reason} without an answer to what was written in {}; a Python container understands only the codec \
                 that it was made with (`builder().codec(..)`)",
                self.codec.name()
            )
        } else {
            reason.to_string()
        }
    }

    fn finish_request(&mut self, now: Instant, token: &ReplyToken) -> Result<(), CallRejected> {
        self.advance(now);
        self.last_moved = self.now;
        self.calls_in = self.calls_in.saturating_sub(1);
        self.input_bytes = self.input_bytes.saturating_sub(token.size as usize);
        if self.is_closed() {
            return Err(CallRejected::Closed);
        }
        if token.kept && !self.requests.end(token.number) {
            self.finish_if_drained();
            return Err(CallRejected::Cancelled);
        }
        Ok(())
    }

    fn after_answer(
        &mut self,
        token: &ReplyToken,
        sent: Result<(), CallRejected>,
    ) -> Result<(), CallRejected> {
        match &sent {
            Ok(()) => self.stats.results_out += 1,
            Err(why) => self.send_failure(token, &RemoteError::serialization(why)),
        }
        self.finish_if_drained();
        sent
    }

    /// Sends a failure, cut to what fits.
    pub(super) fn send_failure(&mut self, token: &ReplyToken, error: &RemoteError) {
        let (profile, limits) = (self.config.profile, &self.config.limits);
        let error = match limits.failure_text {
            FailureText::Full => error.clone(),
            FailureText::Message => error.without_details(),
        };
        let error = error.into_truncated(limits.max_failure);
        let send = |this: &mut Self, error: &RemoteError| {
            this.send(
                this.codec_of(token),
                Kind::Failure,
                &token.id,
                |format, codec_context, out| {
                    codec::encode(format, codec_context, &error.content(profile), out)
                },
            )
        };
        let sent = send(self, &error).is_ok()
            || CUTS.into_iter().any(|most| send(self, &error.truncated(most)).is_ok());
        // If nothing fits, or a custom codec fails, no answer is possible.
        self.stats.failures_out += u64::from(sent);
    }

    /// Queues a message whose content `write` appends.
    pub(super) fn send<W>(
        &mut self,
        codec: Codec,
        kind: Kind,
        id: &MessageId,
        write: W,
    ) -> Result<(), CallRejected>
    where
        W: FnOnce(Format, &CodecContext, &mut Vec<u8>) -> Result<(), CodecError>,
    {
        self.send_wrapped(codec, Wrapping::NONE, kind, id, write)
    }

    #[inline]
    fn send_wrapped<W>(
        &mut self,
        codec: Codec,
        wrapping: Wrapping,
        kind: Kind,
        id: &MessageId,
        write: W,
    ) -> Result<(), CallRejected>
    where
        W: FnOnce(Format, &CodecContext, &mut Vec<u8>) -> Result<(), CodecError>,
    {
        let (format, limit, codec_context) =
            (codec.format(), self.max_frame_out, &self.codec_context);
        let (out, start) = self.outbox.begin();
        let plain = codec.is_plain();
        let message = if plain {
            &mut *out
        } else {
            self.scratch.clear();
            &mut self.scratch
        };
        let head = message.len();
        write_head(format, kind, id, message);
        wrapping.begin(format, message);
        let mut written =
            write(format, codec_context, message).map_err(CallRejected::Codec).and_then(|()| {
                let tail = wrapping.tail(format);
                if !tail.is_empty() {
                    message.extend_from_slice(tail);
                }
                check_length(message.len() - head, limit)
            });
        if written.is_ok() && !plain {
            written = codec::wrap(codec, &self.scratch, out)
                .map_err(CallRejected::Codec)
                .and_then(|()| check_length(out.len() - start - HEADER, limit));
        }
        if self.scratch.capacity() > KEPT {
            self.scratch = Vec::new();
        }
        match written {
            Ok(()) => {
                let length = out.len() - start - HEADER;
                self.outbox.finish(start, length);
                self.sent(length);
                Ok(())
            }
            Err(why) => {
                self.outbox.cancel(start);
                Err(why)
            }
        }
    }

    /// Queues a message with the content `body`.
    fn send_body(
        &mut self,
        codec: Codec,
        wrapping: Wrapping,
        kind: Kind,
        id: &MessageId,
        body: &Body,
    ) -> Result<(), CallRejected> {
        let (given, wanted) = (body.format(), codec.format());
        if given != wanted {
            return Err(CallRejected::WrongFormat { given, wanted });
        }
        if !codec.is_plain() {
            return self.send_wrapped(codec, wrapping, kind, id, |_, _, out| {
                out.extend_from_slice(body.bytes());
                Ok(())
            });
        }
        let (out, start) = self.outbox.begin();
        write_head(wanted, kind, id, out);
        wrapping.begin(wanted, out);
        let tail = wrapping.tail(wanted);
        let length = out.len() - start - HEADER + body.len() + tail.len();
        if let Err(why) = check_length(length, self.max_frame_out) {
            self.outbox.cancel(start);
            return Err(why);
        }
        self.outbox.put(body, tail);
        self.outbox.finish(start, length);
        self.sent(length);
        Ok(())
    }

    fn sent(&mut self, length: usize) {
        self.stats.frames_out += 1;
        self.stats.bytes_out += (length + HEADER) as u64;
        self.note_output();
    }
}

fn check_length(length: usize, limit: usize) -> Result<(), CallRejected> {
    if length > limit { Err(CallRejected::TooLong { length, limit }) } else { Ok(()) }
}
