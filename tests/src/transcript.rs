//! Recorded conversations between Python peers, from `tests/data/transcripts`.

use std::fs;
use std::path::Path;

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// The recording of a proxy between two peers.
#[derive(Debug, Clone, Deserialize)]
pub struct Transcript {
    /// A description of the conversation.
    pub about: String,
    /// `json` or `msgpack`.
    pub codec: String,
    /// The events, in the order of the proxy.
    pub events: Vec<Event>,
}

/// An event on a connection.
#[derive(Debug, Clone, Deserialize)]
pub struct Event {
    /// The name of the connection.
    pub connection: String,
    /// The kind of event.
    #[serde(flatten)]
    pub what: What,
}

/// The kind of an event on a connection.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum What {
    /// A client connected.
    Connect,
    /// One side sent a frame.
    Frame {
        /// The direction of the frame.
        direction: Direction,
        /// Header and payload.
        #[serde(rename = "frame_hex", deserialize_with = "hex")]
        bytes: Vec<u8>,
        /// The decoded payload.
        message: Message,
    },
    /// One side closed the connection.
    Eof {
        /// The direction of the end.
        direction: Direction,
    },
}

/// A direction on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
pub enum Direction {
    /// From the side that connected.
    #[serde(rename = "client->server")]
    ToServer,
    /// To the side that connected.
    #[serde(rename = "server->client")]
    ToClient,
}

/// An envelope, with its values described as JSON: `{"int": "5"}`, `{"str": "x"}`, `{"list":
/// [...]}`, `{"dict": [[key, value], ...]}`, `{"typed": [id, data]}`, `true`, `null` and similar.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Message {
    /// 0 request, 1 result, 2 failure.
    #[serde(rename = "type")]
    pub kind: u8,
    /// The described id.
    pub id: Value,
    /// The described content.
    pub content: Value,
}

impl Transcript {
    /// Reads a transcript by the name of its file, such as `rpc_callback-json`.
    ///
    /// # Panics
    ///
    /// The file is missing or malformed.
    pub fn load(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/transcripts");
        let path = folder.join(name).with_extension("json");
        let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_slice(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// Returns the frames of one connection, in order.
    pub fn frames<'a>(
        &'a self,
        connection: &'a str,
    ) -> impl Iterator<Item = (Direction, &'a [u8], &'a Message)> {
        self.events.iter().filter(move |event| event.connection == connection).filter_map(|event| {
            match &event.what {
                What::Frame { direction, bytes, message } => {
                    Some((*direction, bytes.as_slice(), message))
                }
                _ => None,
            }
        })
    }
}

/// The names of all transcripts.
pub const NAMES: [&str; 6] = [
    "channel_echo-json",
    "channel_echo-msgpack",
    "rpc_callback-json",
    "rpc_callback-msgpack",
    "two_containers-json",
    "two_containers-msgpack",
];

fn hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = <&str>::deserialize(deserializer)?;
    let pair = |i| text.get(i..i + 2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
    (0..text.len())
        .step_by(2)
        .map(pair)
        .collect::<Option<_>>()
        .ok_or_else(|| Error::invalid_value(Unexpected::Str(text), &"pairs of hexadecimal digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_transcript_has_whole_frames() {
        for name in NAMES {
            let transcript = Transcript::load(name);
            assert!(name.ends_with(&transcript.codec));
            let mut frames = 0;
            for event in &transcript.events {
                if let What::Frame { bytes, message, .. } = &event.what {
                    let (header, payload) = bytes.split_at(4);
                    assert_eq!(header, u32::try_from(payload.len()).unwrap().to_be_bytes());
                    assert!(message.kind <= 2);
                    frames += 1;
                }
            }
            assert!(frames > 10, "{name} has {frames} frames");
        }
    }

    #[test]
    fn the_frames_of_a_connection() {
        let transcript = Transcript::load("rpc_callback-msgpack");
        let (direction, bytes, message) = transcript.frames("con-1").next().unwrap();
        assert_eq!(direction, Direction::ToServer);
        assert_eq!(bytes[..7], [0, 0, 0, 14, 0x93, 0, 0]);
        assert_eq!(message.id, serde_json::json!({"int": "0"}));
        assert_eq!(transcript.frames("no such").count(), 0);
    }
}
