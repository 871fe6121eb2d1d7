//! Messages as a peer writes them, well-formed or not.

use aiomas_core::wire::{CodecContext, Deframer, Format, codec};
use bytes::{Bytes, BytesMut};
use serde::Serialize;

/// The message type of requests.
pub const REQUEST: u64 = 0;
/// The message type of results.
pub const RESULT: u64 = 1;
/// The message type of failures.
pub const FAILURE: u64 = 2;
/// The message type of cancellations, for peers with the extension.
pub const CANCEL: u64 = 3;
/// The message type of requests with options, for peers with the extension.
pub const DEADLINE: u64 = 4;
/// The message type of heartbeats and their answers, for peers with the extension.
pub const HEARTBEAT: u64 = 5;

/// Returns a frame with `payload`.
#[must_use]
pub fn frame(payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let length = u32::try_from(payload.len()).expect("a payload below 4 GiB");
    [&length.to_be_bytes(), payload].concat()
}

/// Encodes `value`.
#[must_use]
pub fn encoded<T: Serialize + ?Sized>(format: Format, value: &T) -> Bytes {
    let mut out = Vec::new();
    codec::encode(format, &CodecContext::default(), value, &mut out)
        .expect("a value that can be encoded");
    out.into()
}

/// Returns a frame with the message `[kind, id, content]`.
#[must_use]
pub fn message(format: Format, kind: u64, id: impl Serialize, content: impl Serialize) -> Vec<u8> {
    raw(format, kind, &encoded(format, &id), &encoded(format, &content))
}

/// Returns a frame with a message of encoded `id` and `content`.
#[must_use]
pub fn raw(format: Format, kind: u64, id: &[u8], content: &[u8]) -> Vec<u8> {
    let kind = encoded(format, &kind);
    frame(match format {
        Format::Json => [b"[", &kind[..], b", ", id, b", ", content, b"]"].concat(),
        Format::MsgPack => [b"\x93", &kind[..], id, content].concat(),
    })
}

/// Splits `bytes` into frames, and returns their payloads.
///
/// # Panics
/// The last frame is incomplete.
#[must_use]
pub fn payloads(bytes: &[u8]) -> Vec<Bytes> {
    let mut input = BytesMut::from(bytes);
    let deframer = Deframer::new(usize::MAX);
    let frames = std::iter::from_fn(|| deframer.next_frame(&mut input).expect("no limit"));
    let frames = frames.collect();
    assert!(input.is_empty(), "an unfinished frame: {input:?}");
    frames
}
