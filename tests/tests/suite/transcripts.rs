//! Recorded conversations of Python peers, parsed and replayed byte for byte.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use aiomas_core::connection::{CallOptions, CloseReason, Config, Connection, Event, Request, Side};
use aiomas_core::wire::{
    Body, Codec, CodecContext, Deframer, Envelope, Format, Kind, MessageId, Payload, RemoteError,
    Types, Value,
};
use aiomas_tests::message::{self, encoded};
use aiomas_tests::transcript::{Direction, Message, NAMES, Transcript, What};
use bytes::{Buf, Bytes, BytesMut};
use serde_json::json;

fn codec(transcript: &Transcript) -> Codec {
    match transcript.codec.as_str() {
        "json" => Codec::Json,
        "msgpack" => Codec::MsgPack,
        other => panic!("{other}"),
    }
}

/// Returns the types of every conversation: values depend only on the ids.
fn codec_context() -> CodecContext {
    CodecContext::new(Types::new(["a", "b"]), Default::default())
}

/// Describes a value as the transcripts do.
fn described(value: &Value) -> serde_json::Value {
    let entry = |(key, value): &(Value, Value)| json!([described(key), described(value)]);
    match value {
        Value::Null => json!(null),
        Value::Bool(value) => json!(value),
        Value::Int(number) => json!({"int": number.to_string()}),
        Value::Float(number) => {
            json!({"float": format!("{number:?}"), "bits": format!("{:016x}", number.to_bits())})
        }
        Value::Str(text) => json!({"str": text}),
        Value::Bytes(bytes) => {
            json!({"bytes": bytes.iter().map(|b| format!("{b:02x}")).collect::<String>()})
        }
        Value::List(items) => json!({"list": items.iter().map(described).collect::<Vec<_>>()}),
        Value::Map(entries) => json!({"dict": entries.iter().map(entry).collect::<Vec<_>>()}),
        Value::Typed { id, data } => json!({"typed": [id, described(data)]}),
        other => panic!("not in the transcripts: {other:?}"),
    }
}

fn parse(format: Format, payload: Bytes) -> (Kind, u64, Value) {
    let codec_context = codec_context();
    let envelope = Envelope::parse(format, payload, codec_context.budget()).unwrap();
    let MessageId::Number(id) = envelope.id else { panic!("{:?}", envelope.id) };
    let content = Payload::new(format, envelope.content, codec_context);
    (envelope.kind, id, content.decode().unwrap())
}

const KINDS: [Kind; 3] = [Kind::Request, Kind::Result, Kind::Failure];

#[test]
fn every_frame_matches_its_description() {
    for name in NAMES {
        let transcript = Transcript::load(name);
        let format = codec(&transcript).format();
        for event in &transcript.events {
            let What::Frame { bytes, message, .. } = &event.what else { continue };
            let payload = message::payloads(bytes).remove(0);
            assert_eq!(Codec::recognise(payload[0]), Some(codec(&transcript)));
            let (kind, id, content) = parse(format, payload);
            assert_eq!(kind, KINDS[usize::from(message.kind)]);
            assert_eq!(json!({"int": id.to_string()}), message.id);
            assert_eq!(described(&content), message.content);
            let content = Body::encode(format, &codec_context(), &content).unwrap();
            let again =
                message::raw(format, message.kind.into(), &encoded(format, &id), content.bytes());
            assert_eq!(&again, bytes, "{name}: {message:?}");
        }
    }
}

#[test]
fn frames_come_out_however_they_are_cut() {
    let deframer = Deframer::new(1 << 20);
    for name in NAMES {
        let transcript = Transcript::load(name);
        let frames = transcript.events.iter().filter_map(|event| match &event.what {
            What::Frame { bytes, .. } if bytes.len() < 100 => Some(bytes),
            _ => None,
        });
        for frame in frames {
            for cut in 0..frame.len() {
                let mut input = BytesMut::from(&frame[..cut]);
                assert_eq!(deframer.next_frame(&mut input), Ok(None));
                assert_eq!(input, frame[..cut]);
                input.extend_from_slice(&frame[cut..]);
                let payload = deframer.next_frame(&mut input).unwrap().unwrap();
                assert!(payload == frame[4..] && input.is_empty());
            }
        }
    }
}

/// One side of a recorded connection, played by our implementation.
struct Player {
    connection: Connection<u64>,
    format: Format,
    now: Instant,
    requests: Vec<(u64, Request)>,
}

impl Player {
    fn new(side: Side, codec: Codec) -> Self {
        let now = Instant::now();
        // A listener must detect the codec by itself.
        let config = match side {
            Side::Dialler => Config::new(codec),
            Side::Listener => Config::default(),
        };
        let mut connection = Connection::new(Arc::new(config), side, now);
        connection.set_codec_context(codec_context());
        assert!(matches!(connection.poll_event(), Some(Event::Open { .. })));
        Self { connection, format: codec.format(), now, requests: Vec::new() }
    }

    /// Receives `frame`, which contains `message`.
    fn hear(&mut self, frame: &[u8], message: &Message) {
        let (kind, id, content) = parse(self.format, Bytes::copy_from_slice(&frame[4..]));
        self.connection.handle_input(self.now, &mut BytesMut::from(frame));
        match (kind, self.connection.poll_event().unwrap()) {
            (Kind::Request, Event::Request(request)) => {
                assert_eq!(described(&request.content.decode().unwrap()), message.content);
                self.requests.push((id, request));
            }
            (Kind::Result, Event::Answer { ctx, result, .. }) => {
                assert_eq!(ctx, id);
                assert_eq!(described(&result.unwrap().decode().unwrap()), message.content);
            }
            (Kind::Failure, Event::Answer { ctx, result, .. }) => {
                assert_eq!(ctx, id);
                let expected = RemoteError::from_text(content.as_str().unwrap());
                assert_eq!(result.unwrap_err().to_string(), expected.to_string());
            }
            other => panic!("{other:?}"),
        }
        assert!(self.connection.poll_event().is_none());
    }

    /// Sends the content of `frame`.
    fn say(&mut self, frame: &[u8]) {
        let (kind, id, content) = parse(self.format, Bytes::copy_from_slice(&frame[4..]));
        if kind == Kind::Request {
            let options = CallOptions::default();
            let call = self.connection.call(self.now, &content, options, id).unwrap();
            assert_eq!(call.get(), id);
        } else {
            let at = self.requests.iter().position(|(asked, _)| *asked == id).unwrap();
            let token = self.requests.remove(at).1.token;
            let sent = match (kind, &content) {
                (Kind::Result, content) => self.connection.reply(self.now, token, content),
                (_, Value::Str(text)) => {
                    self.connection.fail(self.now, token, &RemoteError::from_text(text))
                }
                other => panic!("{other:?}"),
            };
            assert_eq!(sent, Ok(()));
        }
        let mut sent = self.connection.poll_transmit().unwrap();
        assert_eq!(sent.copy_to_bytes(sent.remaining()), frame);
        self.connection.handle_transmitted(self.now, frame.len());
    }

    fn end(mut self) {
        assert_eq!(self.connection.calls_in(), self.requests.len());
        let open = self.requests.len();
        for (_, request) in self.requests {
            // The server was asked to close.
            self.connection.discard(self.now, request.token);
        }
        assert!(open <= 1 && self.connection.calls_out() <= 1);
        self.connection.handle_eof(self.now, 0);
        let last = std::iter::from_fn(|| self.connection.poll_event()).last();
        assert!(matches!(last, Some(Event::Closed { reason: CloseReason::Peer })), "{last:?}");
    }
}

fn play(side: Side) {
    for name in NAMES {
        let transcript = Transcript::load(name);
        let connections: BTreeSet<_> =
            transcript.events.iter().map(|event| event.connection.as_str()).collect();
        for connection in connections {
            let mut player = Player::new(side, codec(&transcript));
            for (direction, frame, message) in transcript.frames(connection) {
                if (direction == Direction::ToServer) == (side == Side::Dialler) {
                    player.say(frame);
                } else {
                    player.hear(frame, message);
                }
            }
            player.end();
        }
    }
}

#[test]
fn as_the_server_we_send_the_same_bytes() {
    play(Side::Listener);
}

#[test]
fn as_the_client_we_send_the_same_bytes() {
    play(Side::Dialler);
}
