//! What comes from the peer.

use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};

use super::event::{CallError, CallId, CloseReason, Coding, Event, ReplyToken, Request};
use super::extension::{CANCEL, DEADLINE, too_late, unwrap_options};
use super::hello::{Agreed, Hello};
use super::liveness::HEARTBEAT;
use super::patience::Beginning;
use super::{Config, Connection, Extensions, Negotiate, Side, State};
use crate::wire::{
    Codec, CodecError, HEADER, Head, Kind, MessageId, Payload, Profile, RemoteError, codec,
    take_frame,
};

impl<X> Connection<X> {
    /// Takes all whole frames off `input`, where bytes from the peer are collected. What is left in it is
    /// the beginning of the next frame; keep it, and read on behind it.
    pub fn handle_input(&mut self, now: Instant, input: &mut BytesMut) {
        self.advance(now);
        while let Some(length) = self.next_frame(input) {
            let event = self.take_frame(input, length);
            self.queue(event);
        }
    }

    /// As [`poll_event`](Self::poll_event), and takes frames off `input` until there is an event: to be
    /// called until there is none, instead of [`handle_input`](Self::handle_input). Events then need not
    /// wait in a queue.
    #[must_use = "this event is not returned again"]
    #[inline]
    pub fn poll_input(&mut self, now: Instant, input: &mut BytesMut) -> Option<Event<X>> {
        self.advance(now);
        while self.events.is_empty() {
            let Some(length) = self.next_frame(input) else { break };
            if matches!(self.state, State::Draining { .. }) {
                // The last answer ends the connection.
                let event = self.take_frame(input, length);
                self.queue(event);
                continue;
            }
            let event = self.take_frame(input, length);
            if event.is_some() {
                return event;
            }
        }
        self.poll_event()
    }

    /// Takes the payload of a frame, for owners who cut the stream into frames themselves, with a
    /// [`Deframer`](crate::wire::Deframer) that has this connection's limit.
    pub fn handle_frame(&mut self, now: Instant, payload: Bytes) {
        self.advance(now);
        if self.wants_read() {
            self.note_frame(payload.len());
            let event = self.take_payload(payload);
            self.queue(event);
        }
    }

    fn queue(&mut self, event: Option<Event<X>>) {
        if let Some(event) = event {
            self.events.push_back(event);
            self.finish_if_drained();
        }
    }

    /// How long the payload is of the frame that `input` begins with, if there is a whole one.
    #[inline]
    fn next_frame(&mut self, input: &mut BytesMut) -> Option<usize> {
        if self.wants_read() {
            match self.deframer.next_length(input) {
                Ok(Some(length)) => return Some(length),
                Ok(None) => {
                    if !input.is_empty() {
                        self.note_beginning(input.len());
                    }
                    return None;
                }
                Err(error) => self.finish(CloseReason::Frame(error)),
            }
        }
        input.clear();
        None
    }

    /// `received` bytes have come of a frame that is not whole: from now on its time is running.
    #[inline(never)]
    fn note_beginning(&mut self, received: usize) {
        let (beginning, frame) = (&mut self.beginning, self.stats.frames_in + 1);
        if beginning.frame != frame {
            *beginning = Beginning { frame, since: self.now, received: 0 };
        }
        if received > beginning.received {
            beginning.received = received;
            self.liveness.heard(self.now, self.last_moved);
        }
    }

    #[inline]
    fn note_frame(&mut self, length: usize) {
        self.liveness.heard(self.now, self.last_moved);
        self.last_moved = self.now;
        self.stats.frames_in += 1;
        self.stats.bytes_in += (length + HEADER) as u64;
    }

    /// Takes a frame with `length` bytes of payload off `input`, and says what event it is, if any.
    #[inline(always)]
    fn take_frame(&mut self, input: &mut BytesMut, length: usize) -> Option<Event<X>> {
        self.note_frame(length);
        let message = &input[HEADER..HEADER + length];
        let codec = match (message, self.codec) {
            ([b'[', ..], Codec::Json) => Codec::Json,
            ([0x93, ..], Codec::MsgPack) => Codec::MsgPack,
            _ => {
                let mut payload = take_frame(input, HEADER + length);
                payload.advance(HEADER);
                return self.take_payload(payload);
            }
        };
        let Head { kind, id, content } = match self.parse(codec, message) {
            Ok(head) => head,
            Err(reason) => return self.close_for(reason),
        };
        let id = id.of(message);
        let content = match Payload::small(codec.notation(), &message[content.clone()], &self.scope)
        {
            Some(content) => {
                input.advance(HEADER + length);
                content
            }
            None => {
                let bytes = take_frame(input, HEADER + length);
                let bytes = bytes.slice(HEADER + content.start..HEADER + content.end);
                Payload::new(codec.notation(), bytes, self.scope.clone())
            }
        };
        // A frame is shorter than 4 GiB.
        self.take_message(codec, kind, id, content, length as u32)
    }

    /// Takes the payload of a frame in any codec.
    #[inline(never)]
    fn take_payload(&mut self, payload: Bytes) -> Option<Event<X>> {
        let unwrap = |codec| {
            codec::unwrap(codec, &payload, self.config.limits.max_frame)
                .map_err(|error| CloseReason::Malformed { codec, error })
        };
        let parts = self.recognise(&payload).and_then(|codec| {
            let message = unwrap(codec)?;
            Ok((codec, self.parse(codec, &message)?, message))
        });
        match parts {
            Ok((codec, Head { kind, id, content }, message)) => {
                // What a compressed message holds is more than its frame.
                let id = id.of(&message);
                let size = u32::try_from(message.len()).unwrap_or(u32::MAX);
                let (notation, content) = (codec.notation(), message.slice(content));
                let content = Payload::new(notation, content, self.scope.clone());
                self.take_message(codec, kind, id, content, size)
            }
            Err(reason) => self.close_for(reason),
        }
    }

    #[inline(always)]
    fn parse(&self, codec: Codec, message: &[u8]) -> Result<Head, CloseReason> {
        Head::parse(codec.notation(), message, self.config.limits.budget)
            .map_err(|error| CloseReason::Malformed { codec, error })
    }

    /// Takes a message of `size` bytes.
    #[inline(always)]
    fn take_message(
        &mut self,
        codec: Codec,
        kind: Kind,
        id: MessageId,
        content: Payload,
        size: u32,
    ) -> Option<Event<X>> {
        match (kind, id) {
            (Kind::Request, id) => self.handle_request(codec, id, content, size, None),
            (Kind::Result, MessageId::Number(id)) => self.handle_answer(id, Ok(content)),
            (Kind::Failure, MessageId::Number(id)) => self.handle_answer(id, Err(content)),
            (Kind::Result | Kind::Failure, MessageId::Other(_)) => {
                self.close_for(CloseReason::UnknownReply)
            }
            (Kind::Extension(code), id) => self.take_extension(code, codec, id, content, size),
        }
    }

    #[cold]
    #[inline(never)]
    fn take_extension(
        &mut self,
        code: u64,
        codec: Codec,
        id: MessageId,
        content: Payload,
        size: u32,
    ) -> Option<Event<X>> {
        match code {
            CANCEL if self.extensions.cancel => self.handle_cancel(&id),
            DEADLINE if self.extensions.deadline => {
                let (content, timeout) = match unwrap_options(&content) {
                    Ok(unwrapped) => unwrapped,
                    Err(error) => {
                        self.stats.requests_in += 1;
                        let token = ReplyToken {
                            id,
                            coding: Coding::of(codec),
                            size,
                            number: 0,
                            kept: false,
                        };
                        self.refuse(&token, &error);
                        return None;
                    }
                };
                self.handle_request(codec, id, content, size, timeout)
            }
            HEARTBEAT if self.extensions.heartbeat => {
                self.handle_heartbeat(&id);
                None
            }
            // mosaik ignores them, aiomas closes.
            _ if self.config.profile == Profile::Mosaik => None,
            code => self.close_for(CloseReason::UnknownType { code }),
        }
    }

    #[cold]
    pub(super) fn close_for(&mut self, reason: CloseReason) -> Option<Event<X>> {
        self.finish(reason);
        None
    }

    /// The codec of a request that came in, in which it is answered.
    #[must_use]
    pub fn codec_of(&self, token: &ReplyToken) -> Codec {
        match token.coding {
            Coding::Json => Codec::Json,
            Coding::MsgPack => Codec::MsgPack,
            #[cfg(feature = "blosc")]
            Coding::MsgPackBlosc => Codec::MsgPackBlosc,
            Coding::Custom => self.config.negotiate.base(),
        }
    }

    fn recognise(&self, payload: &[u8]) -> Result<Codec, CloseReason> {
        if let Negotiate::Fixed(codec @ Codec::Custom(_)) = self.config.negotiate {
            return Ok(codec);
        }
        let Some(first) = payload.first().copied() else {
            let error = CodecError::Syntax { at: 0, what: "an empty frame" };
            return Err(CloseReason::Malformed { codec: self.codec, error });
        };
        match Codec::recognise(first) {
            Some(codec) if codec == self.codec || self.config.accepts(codec) => Ok(codec),
            _ => Err(CloseReason::CodecNotAccepted { first }),
        }
    }

    #[inline(always)]
    fn handle_request(
        &mut self,
        codec: Codec,
        id: MessageId,
        content: Payload,
        size: u32,
        timeout: Option<Duration>,
    ) -> Option<Event<X>> {
        if self.side == Side::Listener {
            if self.stats.frames_in == 1
                && self.config.answer_hello
                && let Some(question) = Hello::parse_question(&content)
            {
                self.answer_hello(codec, id, &question);
                return None;
            }
            if self.follows {
                self.codec = codec;
            }
        }
        self.stats.requests_in += 1;
        let mut token = ReplyToken { id, coding: Coding::of(codec), size, number: 0, kept: false };
        match &self.state {
            State::Opening { .. } | State::Open => {}
            // mosaik wants no answers after its `stop`.
            State::Draining { answers: true, .. } if self.config.profile != Profile::Mosaik => {
                let closing = RemoteError::new("ConnectionError", "the peer is shutting down");
                self.send_failure(&token, &closing);
                return None;
            }
            State::Draining { .. } | State::Closed => return None,
        }
        let limits = &self.config.limits;
        if self.calls_in >= limits.max_calls_in
            || size as usize > limits.max_input_bytes.saturating_sub(self.input_bytes)
        {
            self.refuse_request(&token);
            return None;
        }
        let deadline = timeout.and_then(|timeout| self.now.checked_add(timeout));
        if deadline.is_some_and(|at| at <= self.now) {
            self.refuse(&token, &too_late());
            return None;
        }
        self.calls_in += 1;
        self.input_bytes += size as usize;
        token.number = self.requests.number();
        if self.extensions != Extensions::NONE {
            self.requests.keep(&mut token, self.now, timeout, self.extensions.cancel);
        }
        Some(Event::Request(Request { token, content, deadline }))
    }

    /// Answers with a failure what is not even looked at.
    #[cold]
    fn refuse(&mut self, token: &ReplyToken, error: &RemoteError) {
        if self.is_open() || matches!(self.state, State::Draining { answers: true, .. }) {
            self.send_failure(token, error);
        }
    }

    #[cold]
    fn refuse_request(&mut self, token: &ReplyToken) {
        self.stats.overloaded += 1;
        let (calls, bytes, limits) = (self.calls_in, self.input_bytes, &self.config.limits);
        let text = if calls >= limits.max_calls_in {
            format!("{calls} requests are being handled already (`Limits::max_calls_in` there)")
        } else {
            let (size, limit) = (token.size, limits.max_input_bytes);
            format!(
                "a request of {size} bytes, and others of {bytes} that are being handled already, \
                 are more than {limit} (`Limits::max_input_bytes` there)"
            )
        };
        self.send_failure(token, &RemoteError::new("OverloadedError", text));
    }

    /// Takes the result, or the failure, of the call `id`.
    #[inline(always)]
    fn handle_answer(&mut self, id: u64, answer: Result<Payload, Payload>) -> Option<Event<X>> {
        if let State::Opening { hello, .. } = self.state
            && hello == id
        {
            self.handle_hello_answer(answer.as_ref().ok());
            return None;
        }
        let Some(ctx) = self.pending.remove(id) else {
            return self.handle_late_answer(id);
        };
        let result = answer.map_err(|failure| {
            self.stats.failures_in += 1;
            CallError::Remote(RemoteError::read(&failure, self.config.limits.max_failure))
        });
        self.stats.results_in += u64::from(result.is_ok());
        Some(Event::Answer { id: CallId(id), ctx, result })
    }

    #[cold]
    fn handle_late_answer(&mut self, id: u64) -> Option<Event<X>> {
        if !self.pending.was_used(id) {
            return self.close_for(CloseReason::UnknownReply);
        }
        // aiomas closes the connection here, and with it all other calls of a client that has
        // merely lost patience.
        self.stats.late_answers += 1;
        None
    }

    /// Sends Hello, if that is what the configuration says.
    pub(super) fn say_hello(&mut self) -> bool {
        let (Negotiate::Hello { offer, .. }, Side::Dialler) = (&self.config.negotiate, self.side)
        else {
            return false;
        };
        let Config { types, limits, extensions, .. } = &*self.config;
        let hello = Hello::offer(offer, types, limits, *extensions);
        let id = self.pending.skip();
        let sent =
            self.send(self.codec, Kind::Request, &MessageId::Number(id), |notation, scope, out| {
                codec::encode(notation, scope, &hello.question(), out)
            });
        let until = self.now.checked_add(self.config.limits.handshake);
        match (sent, until) {
            (Ok(()), Some(until)) => {
                self.state = State::Opening { hello: id, until };
                true
            }
            // An offer that cannot even be written: go on without.
            _ => false,
        }
    }

    fn handle_hello_answer(&mut self, answer: Option<&Payload>) {
        self.state = State::Open;
        let agreed = answer.and_then(|answer| {
            let Negotiate::Hello { offer, .. } = &self.config.negotiate else { return None };
            Hello::parse_answer(answer)?.accept(offer, &self.config)
        });
        // Any other answer, usually a failure: a peer that does not know Hello.
        if let Some(agreed) = agreed {
            self.agree(agreed);
        }
        self.events.push_back(Event::Open { codec: self.codec });
    }

    fn answer_hello(&mut self, codec: Codec, id: MessageId, question: &Hello) {
        let token = ReplyToken { id, coding: Coding::of(codec), size: 0, number: 0, kept: false };
        match question.choose(&self.config) {
            Some((agreed, answer)) => {
                let sent = self.send(codec, Kind::Result, &token.id, |notation, scope, out| {
                    codec::encode(notation, scope, &answer, out)
                });
                if sent.is_ok() {
                    self.agree(agreed);
                }
            }
            None => {
                let names: Vec<_> = self.config.accept.iter().map(|codec| codec.name()).collect();
                let text = format!("no codec in common: {} are accepted here", names.join(", "));
                self.send_failure(&token, &RemoteError::value_error(text));
            }
        }
    }

    fn agree(&mut self, agreed: Agreed) {
        self.follows = false;
        self.extensions = agreed.extensions;
        self.extended_from = self.pending.next_id();
        self.hurries |= self.has_heartbeats();
        self.codec = agreed.codec;
        if agreed.types != *self.scope.types() {
            self.scope = self.scope.with_types(agreed.types);
        }
        if let Some(limit) = agreed.max_frame {
            self.max_frame_out = self.max_frame_out.min(limit);
        }
        if let Some(limit) = agreed.max_calls {
            self.max_calls_out = self.max_calls_out.min(limit);
        }
    }
}
