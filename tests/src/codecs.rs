//! Codecs by their names, one that is nobody's but ours included.

use aiomas_core::wire::{Codec, CodecError, CustomCodec};
use bytes::Bytes;

/// A codec of the user's own, which `tests/python/peer.py` has as well.
pub const BACKWARDS: Codec = Codec::Custom(&Backwards);

/// Writes each message backwards, behind a letter that says so.
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
            _ => Err(CodecError::Compression("it is not backwards".into())),
        }
    }
}

/// The codec of this name, for command lines.
///
/// # Errors
/// There is none.
pub fn named(name: &str) -> Result<Codec, String> {
    [Codec::Json, Codec::MsgPack, Codec::MsgPackBlosc, BACKWARDS]
        .into_iter()
        .find(|codec| codec.name() == name)
        .ok_or_else(|| "it is none of json, msgpack, msgpackblosc and backwards".to_owned())
}
