//! What comes from the peer.

use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};

use super::event::{CallError, CallId, CloseReason, Event, ReplyToken, Request};
use super::hello::{Agreed, Hello};
use super::{Connection, Limits, Negotiate, Side, State};
use crate::wire::{
    Codec, CodecError, Head, Id, Kind, MessageId, Payload, Profile, RemoteError, codec,
};

impl<X> Connection<X> {
    /// Takes all whole frames off `input`, where bytes from the peer are collected. What is left in it is
    /// the beginning of the next frame; keep it, and read on behind it.
    pub fn handle_input(&mut self, now: Instant, input: &mut BytesMut) {
        self.advance(now);
        while self.wants_read() {
            match self.deframer.next_frame(input) {
                Ok(Some(payload)) => self.take_frame(payload),
                Ok(None) => return,
                Err(error) => self.finish(CloseReason::Frame(error)),
            }
        }
        input.clear();
    }

    /// Takes the payload of a frame, for owners who cut the stream into frames themselves, with a
    /// [`Deframer`](crate::wire::Deframer) that has this connection's limit.
    pub fn handle_frame(&mut self, now: Instant, payload: Bytes) {
        self.advance(now);
        if self.wants_read() {
            self.take_frame(payload);
        }
    }

    fn take_frame(&mut self, payload: Bytes) {
        self.last_input = self.now;
        self.stats.frames_in += 1;
        self.stats.bytes_in += (payload.len() + crate::wire::HEADER) as u64;
        if let Err(reason) = self.take_message(payload) {
            self.finish(reason);
        }
    }

    fn take_message(&mut self, payload: Bytes) -> Result<(), CloseReason> {
        let codec = self.codec_of(&payload)?;
        let malformed = |error: CodecError| CloseReason::Malformed { codec, error };
        let Limits { max_frame, budget, .. } = self.config.limits;
        let notation = codec.notation();
        let mut message = if codec.is_plain() {
            payload
        } else {
            codec::unwrap(codec, &payload, max_frame).map_err(malformed)?
        };
        let Head { kind, id, content } =
            Head::parse(notation, &message, budget).map_err(malformed)?;
        // What a compressed message holds is more than its frame.
        let size = message.len();
        match (kind, id) {
            (Kind::Request, id) => {
                let id = id.of(&message);
                message.truncate(content.end);
                message.advance(content.start);
                let content = Payload::new(notation, message, self.scope.clone());
                self.handle_request(codec, id, content, size);
            }
            (Kind::Result | Kind::Failure, Id::Number(id)) => {
                message.truncate(content.end);
                message.advance(content.start);
                let content = Payload::new(notation, message, self.scope.clone());
                return self.handle_answer(id, kind, content);
            }
            (Kind::Result | Kind::Failure, Id::Other(_)) => return Err(CloseReason::UnknownReply),
            // mosaik ignores them, aiomas closes.
            (Kind::Extension(_), _) if self.config.profile == Profile::Mosaik => {}
            (Kind::Extension(code), _) => return Err(CloseReason::UnknownType { code }),
        }
        Ok(())
    }

    #[inline]
    fn codec_of(&self, payload: &Bytes) -> Result<Codec, CloseReason> {
        if let Negotiate::Fixed(codec @ Codec::Custom(_)) = self.config.negotiate {
            return Ok(codec);
        }
        let Some(first) = payload.first().copied() else {
            let error = CodecError::Syntax { at: 0, what: "an empty frame" };
            return Err(CloseReason::Malformed { codec: self.codec, error });
        };
        match Codec::recognise(first) {
            // The usual case needs no look at the list.
            Some(codec) if codec == self.codec || self.config.accepts(codec) => Ok(codec),
            _ => Err(CloseReason::CodecNotAccepted { first }),
        }
    }

    fn handle_request(&mut self, codec: Codec, id: MessageId, content: Payload, size: usize) {
        if self.side == Side::Listener {
            if self.stats.frames_in == 1
                && self.config.answer_hello
                && let Some(question) = Hello::parse_question(&content)
            {
                self.answer_hello(codec, id, &question);
                return;
            }
            if self.follows {
                self.codec = codec;
            }
        }
        let token = ReplyToken { id, codec, size };
        match &self.state {
            State::Opening { .. } | State::Open => {}
            State::Draining { answers: true, .. } => {
                let closing = RemoteError::new("ConnectionError", "the peer is shutting down");
                self.send_failure(&token, &closing);
                return;
            }
            State::Draining { .. } | State::Closed => return,
        }
        let limits = &self.config.limits;
        if self.calls_in >= limits.max_calls_in
            || size > limits.max_input_bytes.saturating_sub(self.input_bytes)
        {
            self.refuse_request(&token);
            return;
        }
        self.calls_in += 1;
        self.input_bytes += size;
        self.events.push_back(Event::Request(Request { token, content }));
    }

    #[cold]
    fn refuse_request(&mut self, token: &ReplyToken) {
        self.stats.overloaded += 1;
        let text = format!(
            "{} requests with {} bytes are being handled already",
            self.calls_in, self.input_bytes
        );
        self.send_failure(token, &RemoteError::new("OverloadedError", text));
    }

    fn handle_answer(&mut self, id: u64, kind: Kind, content: Payload) -> Result<(), CloseReason> {
        let failed = kind == Kind::Failure;
        if let State::Opening { hello, .. } = self.state
            && hello == id
        {
            self.handle_hello_answer((!failed).then_some(&content));
            return Ok(());
        }
        let Some(ctx) = self.pending.remove(id) else {
            if !self.pending.was_used(id) {
                return Err(CloseReason::UnknownReply);
            }
            // aiomas closes the connection here, and with it all other calls of a client that has
            // merely lost patience.
            self.stats.late_answers += 1;
            return Ok(());
        };
        let result = if failed {
            Err(CallError::Remote(RemoteError::from_payload(&content)))
        } else {
            Ok(content)
        };
        self.events.push_back(Event::Answer { id: CallId(id), ctx, result });
        self.finish_if_drained();
        Ok(())
    }

    /// Sends Hello, if that is what the configuration says.
    pub(super) fn say_hello(&mut self) -> bool {
        let (Negotiate::Hello { offer, .. }, Side::Dialler) = (&self.config.negotiate, self.side)
        else {
            return false;
        };
        let hello = Hello::offer(offer, &self.config.types, &self.config.limits);
        let id = self.pending.skip();
        let sent =
            self.send(self.codec, Kind::Request, &MessageId::Number(id), |notation, scope, out| {
                codec::encode(notation, scope, &hello.question(), out)
            });
        let until = self.now.checked_add(self.config.handshake);
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
            answer.decode::<Hello>().ok()?.accept(offer, &self.config.types)
        });
        // Any other answer, usually a failure: a peer that does not know Hello.
        if let Some(agreed) = agreed {
            self.agree(agreed);
        }
        self.events.push_back(Event::Open { codec: self.codec });
    }

    fn answer_hello(&mut self, codec: Codec, id: MessageId, question: &Hello) {
        let token = ReplyToken { id, codec, size: 0 };
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
