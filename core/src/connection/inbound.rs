//! Input from the peer.

use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};

use super::event::{CallError, CallId, CloseReason, Coding, Event, ReplyToken, Request};
use super::extension::{CANCEL, DEADLINE, too_late, unwrap_options};
use super::hello::Hello;
use super::liveness::HEARTBEAT;
use super::packed::{Packed, Unpacked};
use super::patience::Beginning;
use super::{Connection, Extensions, Negotiate, Side, State};
use crate::wire::{
    Codec, CodecError, HEADER, Head, Kind, MessageId, Payload, Profile, RemoteError, codec,
    take_frame,
};

/// The result of one step over the input.
#[derive(Debug)]
#[doc(hidden)]
pub enum Step<X> {
    /// An event.
    Event(Event<X>),
    /// A frame was taken without an event.
    Taken,
    /// A compressed message to decompress: see [`Connection::handle_unpacked`]. No frame is taken before that.
    Packed(Packed),
    /// A frame cannot be taken now.
    Stuck,
    /// The input has no whole frame.
    Empty,
}

impl<X> Connection<X> {
    /// Takes all whole frames off `input`, a buffer of the peer's bytes. Keep the rest, and append to it.
    ///
    /// Whole frames stay as well while [`wants_read`](Self::wants_read) is false: the output is full, or the
    /// decompression rate is exceeded. Keep them, and call again when it is true.
    pub fn handle_input(&mut self, now: Instant, input: &mut BytesMut) {
        self.advance(now);
        loop {
            match self.take_next(input) {
                Step::Event(event) => self.queue(Some(event)),
                Step::Taken => {}
                Step::Packed(packed) => self.handle_unpacked(now, packed.unpack()),
                Step::Stuck | Step::Empty => return,
            }
        }
    }

    /// Returns the next event, as [`poll_event`](Self::poll_event), taking frames off `input` as needed.
    ///
    /// Call it until `None`, instead of [`handle_input`](Self::handle_input). Events then need no queue.
    #[must_use = "this event is not returned again"]
    #[inline]
    pub fn poll_input(&mut self, now: Instant, input: &mut BytesMut) -> Option<Event<X>> {
        loop {
            match self.step(now, input) {
                Step::Event(event) => return Some(event),
                Step::Taken => {}
                Step::Packed(packed) => self.handle_unpacked(now, packed.unpack()),
                Step::Stuck | Step::Empty => return None,
            }
        }
    }

    /// As [`poll_input`](Self::poll_input), for one frame at most, which the owner decompresses.
    #[inline]
    #[doc(hidden)]
    pub fn step(&mut self, now: Instant, input: &mut BytesMut) -> Step<X> {
        self.advance(now);
        if let Some(event) = self.poll_event() {
            return Step::Event(event);
        }
        match self.take_next(input) {
            // The last answer ends the connection.
            Step::Event(event) if matches!(self.state, State::Draining { .. }) => {
                self.queue(Some(event));
                Step::Taken
            }
            // A frame may end the connection.
            Step::Empty if !self.events.is_empty() => Step::Taken,
            step => step,
        }
    }

    /// Takes the payload of a frame from an owner with a [`Deframer`](crate::wire::Deframer) of this limit.
    pub fn handle_frame(&mut self, now: Instant, payload: Bytes) {
        self.advance(now);
        if !self.has_input() {
            return;
        }
        self.note_frame(payload.len());
        match self.recognise(&payload) {
            Ok(codec) if codec.is_plain() => {
                let event = self.take_whole(codec, payload);
                self.queue(event);
            }
            Ok(codec) => {
                let packed = self.pack(codec, payload);
                self.handle_unpacked(now, packed.unpack());
            }
            Err(reason) => self.finish(reason),
        }
    }

    /// Takes a message that its owner has decompressed.
    #[doc(hidden)]
    pub fn handle_unpacked(&mut self, now: Instant, unpacked: Unpacked) {
        self.advance(now);
        let Unpacked { codec, message, cost } = unpacked;
        self.unpacking.end(self.now, cost, &self.config.limits);
        if self.is_closed() {
            return;
        }
        match message {
            Ok(message) => {
                let event = self.take_whole(codec, message);
                self.queue(event);
            }
            Err(error) => self.finish(CloseReason::Malformed { codec, error }),
        }
    }

    fn queue(&mut self, event: Option<Event<X>>) {
        if let Some(event) = event {
            self.events.push_back(event);
            self.finish_if_drained();
        }
    }

    #[inline(always)]
    fn take_next(&mut self, input: &mut BytesMut) -> Step<X> {
        match self.next_frame(input) {
            // Frames are taken in order.
            Some(length) if self.unpacking.is_busy() => self.stick(length),
            Some(length) => self.take_frame(input, length),
            // The end of the stream must not overtake the message that is being decompressed.
            None if self.unpacking.is_busy() => Step::Stuck,
            None => Step::Empty,
        }
    }

    /// Returns the payload length of the first frame in `input`, if that is whole.
    #[inline]
    fn next_frame(&mut self, input: &mut BytesMut) -> Option<usize> {
        if self.has_input() {
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

    /// Starts the time limit of an incomplete frame, of which `received` bytes have arrived.
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
        self.stuck = None;
        self.last_moved = self.now;
        self.stats.frames_in += 1;
        self.stats.bytes_in += (length + HEADER) as u64;
    }

    /// Takes a frame with `length` bytes of payload off `input`, unless it has to wait.
    #[inline(always)]
    fn take_frame(&mut self, input: &mut BytesMut, length: usize) -> Step<X> {
        let message = &input[HEADER..HEADER + length];
        let codec = match (message, self.codec) {
            ([b'[', ..], Codec::Json) => Codec::Json,
            ([0x93, ..], Codec::MsgPack) => Codec::MsgPack,
            _ => match self.recognise(message) {
                Ok(codec) if codec.is_plain() => codec,
                Ok(codec) => return self.take_packed(codec, input, length),
                Err(reason) => return self.close_at(reason, length),
            },
        };
        let Head { kind, id, content } = match self.parse(codec, message) {
            Ok(head) => head,
            Err(reason) => return self.close_at(reason, length),
        };
        if !matches!(kind, Kind::Result | Kind::Failure | Kind::Extension(CANCEL))
            && self.has_no_room_to_wait(length)
        {
            return self.stick(length);
        }
        self.note_frame(length);
        let id = id.of(message);
        let content =
            match Payload::small(codec.format(), &message[content.clone()], &self.codec_context) {
                Some(content) => {
                    input.advance(HEADER + length);
                    content
                }
                None => {
                    let bytes = take_frame(input, HEADER + length);
                    let bytes = bytes.slice(HEADER + content.start..HEADER + content.end);
                    Payload::new(codec.format(), bytes, self.codec_context.clone())
                }
            };
        // A frame is shorter than 4 GiB.
        match self.take_message(codec, kind, id, content, length as u32) {
            Some(event) => Step::Event(event),
            None => Step::Taken,
        }
    }

    /// Records that the next frame, of `size` bytes, has arrived but has to wait.
    #[inline(never)]
    fn stick(&mut self, size: usize) -> Step<X> {
        if self.stuck.replace(size).is_none() {
            // A frame that arrives in several parts counts as a sign of life for each part, and so does this one.
            self.liveness.heard(self.now, self.last_moved);
        }
        // The peer has sent the whole frame.
        self.beginning.frame = 0;
        Step::Stuck
    }

    /// Takes a compressed frame, unless it has to wait.
    #[inline(never)]
    fn take_packed(&mut self, codec: Codec, input: &mut BytesMut, length: usize) -> Step<X> {
        let becomes = codec::unwrapped_length(codec, &input[HEADER..HEADER + length]);
        if self.has_no_room_to_wait(becomes)
            || !self.unpacking.may_begin(self.now, becomes, &self.config.limits)
        {
            return self.stick(becomes);
        }
        self.note_frame(length);
        let mut payload = take_frame(input, HEADER + length);
        payload.advance(HEADER);
        Step::Packed(self.pack(codec, payload))
    }

    fn pack(&mut self, codec: Codec, payload: Bytes) -> Packed {
        self.unpacking.begin();
        Packed::new(codec, payload, self.config.limits.max_frame)
    }

    /// Takes a message in a plain codec, or a decompressed one.
    fn take_whole(&mut self, codec: Codec, message: Bytes) -> Option<Event<X>> {
        match self.parse(codec, &message) {
            Ok(Head { kind, id, content }) => {
                // A decompressed message is longer than its frame.
                let id = id.of(&message);
                let size = u32::try_from(message.len()).unwrap_or(u32::MAX);
                let (format, content) = (codec.format(), message.slice(content));
                let content = Payload::new(format, content, self.codec_context.clone());
                self.take_message(codec, kind, id, content, size)
            }
            Err(reason) => self.close_for(reason),
        }
    }

    /// Closes because of a frame that is not accepted.
    #[cold]
    fn close_at(&mut self, reason: CloseReason, length: usize) -> Step<X> {
        self.note_frame(length);
        self.finish(reason);
        Step::Taken
    }

    #[inline(always)]
    fn parse(&self, codec: Codec, message: &[u8]) -> Result<Head, CloseReason> {
        Head::parse(codec.format(), message, self.config.limits.budget)
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
                    // A refusal does not fit the output.
                    Err(_) if self.is_output_full() => {
                        let error = CodecError::Syntax { at: 0, what: "options cannot be read" };
                        return self.close_for(CloseReason::Malformed { codec, error });
                    }
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

    /// Returns the codec of a request, in which it is answered.
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
            // mosaik expects no answers after its `stop`.
            State::Draining { answers: true, .. } if self.config.profile != Profile::Mosaik => {
                let closing = RemoteError::new("ConnectionError", "the peer is shutting down");
                self.send_failure(&token, &closing);
                return None;
            }
            State::Draining { .. } | State::Closed(_) => return None,
        }
        let waits = self.keeps_requests();
        if !self.has_room_for(size as usize) {
            self.refuse_request(&token);
            return None;
        }
        let deadline = timeout.and_then(|timeout| self.now.checked_add(timeout));
        // While the output is full, a refusal has to wait, too: the expired request ends without an answer.
        if !waits && deadline.is_some_and(|at| at <= self.now) {
            self.refuse(&token, &too_late());
            return None;
        }
        self.calls_in += 1;
        self.input_bytes += size as usize;
        token.number = self.requests.number();
        if self.extensions != Extensions::NONE {
            self.requests.keep(&mut token, self.now, timeout, self.extensions.cancel);
        }
        self.give_out(Request { token, content, deadline })
    }

    /// Answers a request with a failure before its content is examined.
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
            return self.handle_late_answer(id, answer.as_ref().ok());
        };
        let result = answer.map_err(|failure| {
            self.stats.failures_in += 1;
            CallError::Remote(RemoteError::read(&failure, self.config.limits.max_failure))
        });
        self.stats.results_in += u64::from(result.is_ok());
        Some(Event::Answer { id: CallId(id), ctx, result })
    }

    #[cold]
    fn handle_late_answer(&mut self, id: u64, answer: Option<&Payload>) -> Option<Event<X>> {
        if self.late_hello == Some(id) {
            self.late_hello = None;
            self.agree_on(answer);
            return None;
        }
        if !self.pending.was_used(id) {
            return self.close_for(CloseReason::UnknownReply);
        }
        // aiomas closes the connection here, and with it all other calls of a client that has only timed out.
        self.stats.late_answers += 1;
        None
    }
}
