//! Hello: questions and answers of any kind.

use std::sync::Arc;
use std::time::{Duration, Instant};

use aiomas_core::connection::{
    CallOptions, CallRejected, Config, Connection, Event, Extensions, Limits, Negotiate, Side,
};
use aiomas_core::wire::{Budget, Codec, CodecContext, Envelope, Format, Kind, Payload, Types};
use bytes::{Buf, Bytes, BytesMut};
use serde::Deserialize;

use crate::message::{self, CANCEL, DEADLINE, FAILURE, REQUEST, RESULT};

/// Our codecs, best first.
const KNOWN: [&[Codec]; 4] = [
    &[Codec::Json],
    &[Codec::MsgPack],
    &[Codec::Json, Codec::MsgPack],
    &[Codec::MsgPack, Codec::Json],
];

/// Negotiates with a random peer. The first byte chooses our side; the rest is the peer's Hello, as
/// a question or an answer.
///
/// # Panics
/// The agreed codec, types or limits differ from the model, or the connection is unusable
/// afterwards.
pub fn hello(data: &[u8]) {
    let Some((&setup, said)) = data.split_first() else { return };
    let base = if setup & 1 == 0 { Codec::Json } else { Codec::MsgPack };
    let known = KNOWN[usize::from(setup >> 1) % 4];
    if setup & 8 == 0 {
        ask(base, known, said, setup & 32 == 0);
    } else {
        answer(base, known, said, setup & 16 != 0, setup & 32 == 0);
    }
}

/// The content of a peer's Hello.
#[derive(Debug, Deserialize)]
struct Said {
    #[expect(dead_code, reason = "it has to be there, that is all")]
    version: u32,
    codecs: Vec<String>,
    #[serde(default)]
    max_frame: Option<u32>,
    #[serde(default)]
    max_calls: Option<u32>,
    #[serde(default)]
    extensions: Vec<String>,
    #[serde(default)]
    types: Vec<String>,
}

impl Said {
    fn codec(&self, known: &[Codec]) -> Option<Codec> {
        let named = |name: &String| known.iter().copied().find(|codec| codec.name() == name);
        self.codecs.iter().take(256).find_map(named)
    }

    /// Returns whether it is a valid Hello. Names of types have a maximum length.
    fn is_one(&self) -> bool {
        self.types.iter().take(256).all(|name| name.len() <= 256)
    }

    /// Returns the extensions of both sides: we support all, or none.
    fn extensions(&self, known: bool) -> Extensions {
        let named = |name| known && self.extensions.iter().take(256).any(|other| other == name);
        let mut extensions = Extensions::NONE;
        extensions.cancel = named("cancel");
        extensions.deadline = named("deadline");
        extensions.heartbeat = named("heartbeat");
        extensions
    }
}

/// One of the ends.
struct End {
    connection: Connection<()>,
    now: Instant,
}

impl End {
    fn new(side: Side, config: Config) -> Self {
        let now = Instant::now();
        Self { connection: Connection::new(Arc::new(config), side, now), now }
    }

    fn input(&mut self, bytes: &[u8]) {
        self.connection.handle_input(self.now, &mut BytesMut::from(bytes));
    }

    fn sent(&mut self) -> Vec<Bytes> {
        let mut bytes = Vec::new();
        while let Some(mut transmit) = self.connection.poll_transmit() {
            bytes.extend_from_slice(&transmit.copy_to_bytes(transmit.remaining()));
        }
        self.connection.handle_transmitted(self.now, bytes.len());
        message::payloads(&bytes)
    }

    fn events(&mut self) -> Vec<Event<()>> {
        std::iter::from_fn(|| self.connection.poll_event()).collect()
    }

    /// Makes a call as agreed, and receives one, with cancellation and deadline.
    fn talk(&mut self, codec: Codec, extensions: Extensions) {
        assert_eq!(self.connection.codec(), codec);
        assert_eq!(self.connection.extensions(), extensions);
        self.talk_of_deadlines(codec, extensions);
        self.connection.call(self.now, "x", CallOptions::default(), ()).expect("a call");
        let sent = self.sent();
        let request = parse(codec.format(), &sent[0]).expect("a request");
        assert_eq!((sent.len(), request.kind), (1, Kind::Request));
        self.input(&message::message(codec.format(), REQUEST, 7, "y"));
        let Ok([Event::Request(request)]) = <[_; 1]>::try_from(self.events()) else {
            panic!("no request");
        };
        self.connection.reply(self.now, request.token, "z").expect("an answer");
        assert_eq!(self.sent().len(), 1);
    }

    fn talk_of_deadlines(&mut self, codec: Codec, extensions: Extensions) {
        let format = codec.format();
        let options = CallOptions::timeout(Duration::from_secs(1));
        let call = self.connection.call(self.now, "x", options, ()).expect("a call");
        self.connection.cancel(self.now, call);
        let kinds: Vec<_> =
            self.sent().iter().map(|sent| parse(format, sent).unwrap().kind).collect();
        let first = if extensions.deadline { Kind::Extension(4) } else { Kind::Request };
        let second = extensions.cancel.then_some(Kind::Extension(3));
        assert_eq!(kinds, [first].into_iter().chain(second).collect::<Vec<_>>());
        if extensions.deadline {
            let content = (serde_json::json!({"deadline": 3_000_000}), "y");
            self.input(&message::message(format, DEADLINE, 7, content));
        } else {
            self.input(&message::message(format, REQUEST, 7, "y"));
        }
        let Ok([Event::Request(request)]) = <[_; 1]>::try_from(self.events()) else {
            panic!("no request");
        };
        assert_eq!(request.content.decode::<String>().as_deref(), Ok("y"));
        let after = extensions.deadline.then_some(Duration::from_secs(3));
        assert_eq!(request.deadline, after.map(|after| self.now + after));
        if extensions.cancel {
            self.input(&message::message(format, CANCEL, 7, ()));
            assert!(matches!(self.events()[..], [Event::Cancelled { .. }]));
        }
        let answered = self.connection.reply(self.now, request.token, "z");
        assert_eq!(answered.is_ok(), !extensions.cancel);
        assert_eq!(self.sent().len(), usize::from(!extensions.cancel));
    }
}

fn parse(format: Format, payload: &Bytes) -> Option<Envelope> {
    Envelope::parse(format, payload.clone(), Budget::default()).ok()
}

/// Returns a message with encoded content, and the content if it is well-formed.
fn message_with(format: Format, kind: u64, id: u64, content: &[u8]) -> (Vec<u8>, Option<Payload>) {
    let bytes = message::raw(format, kind, &message::encoded(format, &id), content);
    let envelope = parse(format, &message::payloads(&bytes)[0]);
    let payload =
        |envelope: Envelope| Payload::new(format, envelope.content, CodecContext::default());
    (bytes, envelope.map(payload))
}

/// Lets the peer send Hello.
fn ask(base: Codec, known: &[Codec], said: &[u8], extends: bool) {
    #[derive(Deserialize)]
    struct Empty {}

    let format = base.format();
    let content = match format {
        Format::Json => [br#"["$hello", ["#, said, b"], {}]"].concat(),
        Format::MsgPack => [b"\x93\xa6$hello\x91", said, b"\x80"].concat(),
    };
    let (bytes, content) = message_with(format, REQUEST, 5, &content);
    let mut config = Config::new(base);
    config.accept = known.to_vec();
    config.extensions = if extends { Extensions::ALL } else { Extensions::NONE };
    let mut end = End::new(Side::Listener, config);
    assert!(matches!(end.events()[..], [Event::Open { .. }]));
    end.input(&bytes);

    let Some(content) = content else {
        assert!(end.connection.is_closed());
        return;
    };
    let said = content.decode::<(String, (Said,), Empty)>().map(|(_, (said,), _)| said);
    let Some(said) = said.ok().filter(Said::is_one) else {
        let events = end.events();
        assert!(matches!(events[..], [Event::Request(_)]), "{events:?}");
        return end.talk(base, Extensions::NONE);
    };
    assert!(end.events().is_empty());
    let envelope = parse(format, &end.sent()[0]).expect("an answer");
    let Some(codec) = said.codec(known) else {
        assert_eq!(envelope.kind, Kind::Failure);
        assert_eq!(end.connection.codec_context().types(), &Types::default());
        return end.talk(base, Extensions::NONE);
    };
    assert_eq!(envelope.kind, Kind::Result);
    let types = Types::new(said.types.iter().take(256).map(String::as_str));
    assert_eq!(end.connection.codec_context().types(), &types);
    let extensions = said.extensions(extends);
    end.talk(codec, extensions);
    // A connection of ours could parse the answer.
    let (bytes, _) = message_with(format, RESULT, 0, &envelope.content);
    let mut peer = dialler(base, KNOWN[2], true);
    peer.input(&bytes);
    assert!(matches!(peer.events()[..], [Event::Open { .. }]));
    peer.talk(codec, extensions);
}

/// Returns an end that has sent Hello.
fn dialler(base: Codec, offer: &[Codec], extends: bool) -> End {
    let mut config = Config::new(base);
    config.negotiate = Negotiate::Hello { base, offer: offer.to_vec() };
    config.types = Types::new(["date"]);
    config.extensions = if extends { Extensions::ALL } else { Extensions::NONE };
    let mut end = End::new(Side::Dialler, config);
    assert_eq!(end.sent().len(), 1);
    assert!(end.events().is_empty());
    end
}

/// Lets the peer answer Hello.
fn answer(base: Codec, known: &[Codec], said: &[u8], failure: bool, extends: bool) {
    let format = base.format();
    let (bytes, content) = message_with(format, if failure { FAILURE } else { RESULT }, 0, said);
    let mut end = dialler(base, known, extends);
    end.input(&bytes);

    let Some(content) = content else {
        assert!(end.connection.is_closed());
        return;
    };
    let events = end.events();
    assert!(matches!(events[..], [Event::Open { .. }]), "{events:?}");
    let said = content.decode::<Said>().ok().filter(|_| !failure);
    let agreed = said.and_then(|said| Some((said.codec(known)?, said)));
    let limits = Limits::default();
    let (codec, max_frame, max_calls) = match &agreed {
        Some((codec, said)) => (*codec, said.max_frame, said.max_calls),
        None => (base, None, None),
    };
    assert_eq!(end.connection.codec_context().types(), &Types::new(["date"]));
    let limit =
        max_frame.map_or(limits.max_frame, |most| limits.max_frame.min(most.max(4096) as usize));
    if limit < 8192 {
        let long = "x".repeat(8192);
        let refused = end.connection.call(end.now, &long, CallOptions::default(), ());
        let why = refused.expect_err("too long").why;
        assert!(
            matches!(why, CallRejected::TooLong { limit: same, .. } if same == limit),
            "{why:?}"
        );
    }
    let extensions = agreed.map_or(Extensions::NONE, |(_, said)| said.extensions(extends));
    end.talk(codec, extensions);
    let most = max_calls
        .map_or(limits.max_calls_out, |most| limits.max_calls_out.min(most.max(1) as usize));
    while end.connection.calls_out() < most.min(16) {
        end.connection.call(end.now, "x", CallOptions::default(), ()).expect("a call");
    }
    let more = end.connection.call(end.now, "x", CallOptions::default(), ());
    assert_eq!(more.is_ok(), most > 16);
}
