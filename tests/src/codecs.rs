//! Codecs by name, including a custom one.

use aiomas_core::wire::{Codec, CodecError, CustomCodec};
use bytes::Bytes;

/// A custom codec, which `tests/python/peer.py` implements as well.
pub const BACKWARDS: Codec = Codec::Custom(&Backwards);

/// Reverses each message, and prefixes it with a letter as a marker.
#[derive(Debug)]
struct Backwards;

impl CustomCodec for Backwards {
    fn name(&self) -> &'static str {
        "backwards"
    }

    fn encode(&self, msgpack: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.push(b'B');
        out.extend(msgpack.iter().rev());
        Ok(())
    }

    fn decode(&self, payload: &[u8], max: usize) -> Result<Bytes, CodecError> {
        match payload.split_first() {
            Some((b'B', message)) if message.len() <= max => {
                Ok(message.iter().rev().copied().collect())
            }
            _ => Err(CodecError::Compression("the message is not reversed".into())),
        }
    }
}

/// Returns the codec of this name, for command lines.
///
/// # Errors
/// The name is unknown.
pub fn named(name: &str) -> Result<Codec, String> {
    [Codec::Json, Codec::MsgPack, Codec::MsgPackBlosc, BACKWARDS]
        .into_iter()
        .find(|codec| codec.name() == name)
        .ok_or_else(|| "it is none of json, msgpack, msgpackblosc and backwards".to_owned())
}
