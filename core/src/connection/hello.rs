//! Hello: how two Rust peers agree on a codec, on limits and on types.
//!
//! Hello is an ordinary request `["$hello", [{...}], {}]`, so a peer that does not know Hello answers with an
//! ordinary failure. No name that Python can expose has a `$` in it.

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
/// The number of names that are read.
const MAX_NAMES: usize = 256;
/// The longest type name in bytes. A longer one makes a Hello invalid, since the connection keeps the names.
const MAX_NAME: usize = 256;
/// The longest content in bytes that is examined for a Hello. Its sender is still unknown.
const MAX_HELLO: usize = 256 * 1024;
/// The least frame limit of a peer in bytes. Smaller ones are ignored, since no failure would fit.
const LEAST_FRAME: usize = 4096;

/// The offer or the answer of one side.
///
/// Unknown fields are ignored and missing ones have a default, so either side may be newer.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    version: u32,
    /// In the question: the offered codecs, best first. In the answer: the chosen codec.
    #[serde(deserialize_with = "names")]
    codecs: Vec<String>,
    #[serde(default)]
    max_frame: Option<u32>,
    #[serde(default)]
    max_calls: Option<u32>,
    #[serde(default, deserialize_with = "names")]
    extensions: Vec<String>,
    /// The types in the order of their ids, which both sides use.
    #[serde(default, deserialize_with = "names")]
    types: Vec<String>,
}

/// The result of a [`Hello`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Agreed {
    pub(super) codec: Codec,
    pub(super) types: Types,
    /// The longest frame that the peer reads, in bytes.
    pub(super) max_frame: Option<usize>,
    /// How many requests the peer handles at a time.
    pub(super) max_calls: Option<usize>,
    /// The extensions that both sides know.
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

    /// Returns the content of the question.
    pub(super) fn question(&self) -> impl Serialize {
        (PATH, (self,), Empty {})
    }

    /// Parses the peer's question, if `content` is a Hello.
    pub(super) fn parse_question(content: &Payload) -> Option<Self> {
        // A check before decoding: other requests should cost next to nothing.
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

    /// Parses the peer's answer, if `content` is a Hello.
    pub(super) fn parse_answer(content: &Payload) -> Option<Self> {
        if content.bytes().len() > MAX_HELLO {
            return None;
        }
        content.decode().ok()
    }

    /// Chooses a codec for a listener with `config`. Returns the agreement and the answer.
    ///
    /// Returns `None` without a common codec.
    pub(super) fn choose(&self, config: &Config) -> Option<(Agreed, Self)> {
        let accepted: Vec<_> = config.accepted().collect();
        let agreed = self.agreed(self.find_codec(&accepted)?, config.extensions);
        let Agreed { codec, types, extensions, .. } = &agreed;
        let answer = Self::offer(&[*codec], types, &config.limits, *extensions);
        Some((agreed, answer))
    }

    /// Accepts the answer for a dialler with `config` that offered `codecs`.
    pub(super) fn accept(&self, codecs: &[Codec], config: &Config) -> Option<Agreed> {
        let codec = self.find_codec(codecs)?;
        // The dialler's list of types takes precedence over the answer's.
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

/// Reads the first [`MAX_NAMES`] names of a list, and skips the rest.
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

/// A skipped name.
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
    /// Sends Hello, if the configuration asks for it. Returns whether it was sent.
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
            // The offer cannot be encoded: go on without Hello.
            _ => false,
        }
    }

    pub(super) fn handle_hello_answer(&mut self, answer: Option<&Payload>) {
        self.state = State::Open;
        self.agree_on(answer);
        self.events.push_back(Event::Open { codec: self.codec });
    }

    /// Applies the answer to our Hello. The peer applied it when it wrote the answer.
    pub(super) fn agree_on(&mut self, answer: Option<&Payload>) {
        let agreed = answer.and_then(|answer| {
            let Negotiate::Hello { offer, .. } = &self.config.negotiate else { return None };
            Hello::parse_answer(answer)?.accept(offer, &self.config)
        });
        // Any other answer, usually a failure, comes from a peer that does not know Hello.
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
