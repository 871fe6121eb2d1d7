//! Hello: how two Rust peers agree on a codec, on limits and on types.
//!
//! It is an ordinary request `["$hello", [{...}], {}]`, so that a peer which has never heard of it answers
//! with an ordinary failure. No name that Python can expose has a `$` in it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::config::{Config, Extensions, Negotiate, Side};
use super::event::{Coding, Event, ReplyToken};
use super::limits::Limits;
use super::{Connection, State};
use crate::wire::codec::{Cursor, Item};
use crate::wire::{Codec, Kind, MessageId, Payload, RemoteError, Types, codec};

/// The reserved path.
pub(super) const PATH: &str = "$hello";
/// The version of the extensions that this crate speaks.
const VERSION: u32 = 1;
/// Names beyond these are not read.
const MAX_NAMES: usize = 256;
/// A Hello with a type whose name has more bytes is none: names are kept for as long as the connection.
const MAX_NAME: usize = 256;
/// A content with more bytes is no Hello, and is not looked at: a Hello comes before anything is known of a peer.
const MAX_HELLO: usize = 256 * 1024;
/// A peer that says it reads less than this is not believed: no failure would reach it.
const LEAST_FRAME: usize = 4096;

/// What one side says of itself. Unknown fields are ignored, missing ones have a meaning, so that either
/// side may be newer.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    version: u32,
    /// In the question: what is offered, best first. In the answer: the one that was chosen.
    #[serde(deserialize_with = "names")]
    codecs: Vec<String>,
    #[serde(default)]
    max_frame: Option<u32>,
    #[serde(default)]
    max_calls: Option<u32>,
    #[serde(default, deserialize_with = "names")]
    extensions: Vec<String>,
    /// The types in the order of their ids, which holds for both sides.
    #[serde(default, deserialize_with = "names")]
    types: Vec<String>,
}

/// What follows from a [`Hello`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) codec: Codec,
    pub(super) types: Types,
    /// What the peer reads, in bytes.
    pub(super) max_frame: Option<usize>,
    /// How many requests the peer handles at a time.
    pub(super) max_calls: Option<usize>,
    /// What both know.
    pub(super) extensions: Extensions,
}

impl Hello {
    pub(super) fn offer(
        codecs: &[Codec],
        types: &Types,
        limits: &Limits,
        extensions: Extensions,
    ) -> Self {
        Self {
            version: VERSION,
            codecs: codecs.iter().map(|codec| codec.name().to_owned()).collect(),
            max_frame: u32::try_from(limits.max_frame).ok(),
            max_calls: u32::try_from(limits.max_calls_in).ok(),
            extensions: extensions.names().map(str::to_owned).collect(),
            types: types.names().map(str::to_owned).collect(),
        }
    }

    /// The content of the question.
    pub(super) fn question(&self) -> impl Serialize {
        (PATH, (self,), Empty {})
    }

    /// Reads the peer's question, if `content` is one.
    pub(super) fn parse_question(content: &Payload) -> Option<Self> {
        // A look before decoding: other requests should cost next to nothing.
        let mut cursor =
            Cursor::new(content.format(), content.bytes(), content.codec_context().budget());
        if content.bytes().len() > MAX_HELLO || cursor.peek().ok()? != Item::Array {
            return None;
        }
        let mut sequence = cursor.begin_array().ok()?;
        if !cursor.next(&mut sequence).ok()? || cursor.str().ok()? != PATH {
            return None;
        }
        let (_path, (hello,), _kwargs): (Cow<'_, str>, (Self,), Empty) = content.decode().ok()?;
        hello.types.iter().map(String::len).all(|length| length <= MAX_NAME).then_some(hello)
    }

    /// Reads the peer's answer, if `content` is one.
    pub(super) fn parse_answer(content: &Payload) -> Option<Self> {
        if content.bytes().len() > MAX_HELLO {
            return None;
        }
        content.decode().ok()
    }

    /// What a listener with `config` makes of the question, and its answer; nothing if there is no
    /// common codec.
    pub(super) fn choose(&self, config: &Config) -> Option<(Agreed, Self)> {
        let accepted: Vec<_> = config.accepted().collect();
        let agreed = self.agreed(self.find_codec(&accepted)?, config.extensions);
        let Agreed { codec, types, extensions, .. } = &agreed;
        let answer = Self::offer(&[*codec], types, &config.limits, *extensions);
        Some((agreed, answer))
    }

    /// What a dialler with `config` that offered `codecs` makes of the answer.
    pub(super) fn accept(&self, codecs: &[Codec], config: &Config) -> Option<Agreed> {
        let codec = self.find_codec(codecs)?;
        // The dialler's list holds, whatever the answer says.
        Some(Agreed { types: config.types.clone(), ..self.agreed(codec, config.extensions) })
    }

    fn find_codec(&self, known: &[Codec]) -> Option<Codec> {
        let by_name = |name: &String| known.iter().find(|codec| codec.name() == name);
        self.codecs.iter().find_map(by_name).copied()
    }

    fn agreed(&self, codec: Codec, known: Extensions) -> Agreed {
        let names = self.extensions.iter().map(String::as_str);
        Agreed {
            codec,
            types: Types::new(self.types.iter().map(String::as_str)),
            max_frame: self.max_frame.map(|limit| (limit as usize).max(LEAST_FRAME)),
            max_calls: self.max_calls.map(|limit| (limit as usize).max(1)),
            extensions: known.and_named(names),
        }
    }
}

/// An empty map.
#[derive(Debug, Serialize, Deserialize)]
struct Empty {}

/// Reads the first [`MAX_NAMES`] names of a list, and walks over the others.
fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Names;
    impl<'de> Visitor<'de> for Names {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of names")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<String>, A::Error> {
            let mut names = Vec::new();
            while names.len() < MAX_NAMES
                && let Some(name) = seq.next_element()?
            {
                names.push(name);
            }
            while let Some(AnyName) = seq.next_element()? {}
            Ok(names)
        }
    }
    deserializer.deserialize_seq(Names)
}

/// A name that is not kept.
struct AnyName;

impl<'de> Deserialize<'de> for AnyName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyNameVisitor;
        impl Visitor<'_> for AnyNameVisitor {
            type Value = AnyName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_str<E>(self, _name: &str) -> Result<AnyName, E> {
                Ok(AnyName)
            }
        }
        deserializer.deserialize_str(AnyNameVisitor)
    }
}

impl<X> Connection<X> {
    /// Sends Hello, if that is what the configuration says.
    pub(super) fn say_hello(&mut self) -> bool {
        let (Negotiate::Hello { offer, .. }, Side::Dialler) = (&self.config.negotiate, self.side)
        else {
            return false;
        };
        let Config { types, limits, extensions, .. } = &*self.config;
        let hello = Hello::offer(offer, types, limits, *extensions);
        let id = self.pending.skip();
        let sent = self.send(
            self.codec,
            Kind::Request,
            &MessageId::Number(id),
            |format, codec_context, out| {
                codec::encode(format, codec_context, &hello.question(), out)
            },
        );
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

    pub(super) fn handle_hello_answer(&mut self, answer: Option<&Payload>) {
        self.state = State::Open;
        self.agree_on(answer);
        self.events.push_back(Event::Open { codec: self.codec });
    }

    /// Applies the answer to our Hello, which the peer has applied when it wrote it.
    pub(super) fn agree_on(&mut self, answer: Option<&Payload>) {
        let agreed = answer.and_then(|answer| {
            let Negotiate::Hello { offer, .. } = &self.config.negotiate else { return None };
            Hello::parse_answer(answer)?.accept(offer, &self.config)
        });
        // Any other answer, usually a failure: a peer that does not know Hello.
        if let Some(agreed) = agreed {
            self.agree(agreed);
        }
    }

    pub(super) fn answer_hello(&mut self, codec: Codec, id: MessageId, question: &Hello) {
        let token = ReplyToken { id, coding: Coding::of(codec), size: 0, number: 0, kept: false };
        match question.choose(&self.config) {
            Some((agreed, answer)) => {
                let sent =
                    self.send(codec, Kind::Result, &token.id, |format, codec_context, out| {
                        codec::encode(format, codec_context, &answer, out)
                    });
                if sent.is_ok() {
                    self.agree(agreed);
                }
            }
            None => {
                let names: Vec<_> = self.config.accepted().map(Codec::name).collect();
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
        if agreed.types != *self.codec_context.types() {
            self.codec_context = self.codec_context.with_types(agreed.types);
        }
        if let Some(limit) = agreed.max_frame {
            self.max_frame_out = self.max_frame_out.min(limit);
        }
        if let Some(limit) = agreed.max_calls {
            self.max_calls_out = self.max_calls_out.min(limit);
        }
    }
}
