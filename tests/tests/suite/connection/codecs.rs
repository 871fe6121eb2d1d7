//! The written codec, and the accepted ones.

use aiomas_core::connection::{CallOptions, CloseReason, Config, Side};
use aiomas_core::wire::{Codec, CodecError, CustomCodec, Format};
use aiomas_tests::message::{REQUEST, frame, message};
use aiomas_tests::pair::Pair;
use bytes::Bytes;

use super::{Solo, json, msgpack};

/// A codec that reverses each message.
#[derive(Debug)]
struct Backwards;

impl CustomCodec for Backwards {
    fn name(&self) -> &'static str {
        "backwards"
    }

    fn encode(&self, msgpack: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend(msgpack.iter().rev());
        Ok(())
    }

    fn decode(&self, payload: &[u8], _max: usize) -> Result<Bytes, CodecError> {
        Ok(payload.iter().rev().copied().collect())
    }
}

/// A codec that writes only the length of a message, which it decodes as spaces.
#[derive(Debug)]
struct Bomb;

impl CustomCodec for Bomb {
    fn name(&self) -> &'static str {
        "bomb"
    }

    fn encode(&self, _: &[u8], out: &mut Vec<u8>) -> Result<(), CodecError> {
        out.extend([0]);
        Ok(())
    }

    /// Decodes to a request with 100 bytes of content.
    fn decode(&self, _: &[u8], _: usize) -> Result<Bytes, CodecError> {
        Ok([b"\x93\x00\x00\xc4\x64", &[0; 100][..]].concat().into())
    }
}

#[test]
fn a_listener_speaks_as_it_is_spoken_to() {
    let mut solo = Solo::listener(json());
    assert_eq!(solo.connection.codec(), Codec::Json);
    solo.call("first").unwrap();
    assert_eq!(solo.sent(), [&b"[0, 0, \"first\"]"[..]]);
    solo.input(message(Format::MsgPack, REQUEST, 7, "m"));
    assert_eq!(solo.connection.codec(), Codec::MsgPack);
    solo.call("x").unwrap();
    solo.input(message(Format::Json, REQUEST, 8, "j"));
    solo.call("y").unwrap();
    // Each request is answered in its own codec, even after a switch.
    for request in solo.requests() {
        solo.reply(request, 5).unwrap();
    }
    let expected: [&[u8]; 4] =
        [b"\x93\x00\x01\xa1x", b"[0, 2, \"y\"]", b"\x93\x01\x07\x05", b"[1, 8, 5]"];
    assert_eq!(solo.sent(), expected);
}

#[test]
fn a_dialler_keeps_to_its_codec() {
    let mut solo = Solo::dialler(json());
    solo.input(message(Format::MsgPack, REQUEST, 7, "m"));
    let request = solo.requests().remove(0);
    assert_eq!(solo.connection.codec_of(&request.token), Codec::MsgPack);
    solo.reply(request, 5).unwrap();
    solo.call("x").unwrap();
    assert_eq!(solo.sent(), [&b"\x93\x01\x07\x05"[..], b"[0, 0, \"x\"]"]);
}

#[test]
fn a_codec_that_is_not_accepted() {
    let mut config = json();
    config.accept = vec![Codec::Json];
    for (payload, first) in [(&b"\x93\x00\x00\x05"[..], 0x93), (b"{}", b'{'), (b"\xff", 0xff)] {
        let mut solo = Solo::listener(config.clone());
        solo.input(frame(payload));
        assert_eq!(solo.closed(), Some(CloseReason::CodecNotAccepted { first }));
    }
    // Our own codec is always accepted.
    config = msgpack();
    config.accept = Vec::new();
    let mut solo = Solo::dialler(config);
    solo.input(frame(b"\x93\x00\x00\x05"));
    assert_eq!(solo.requests().len(), 1);
}

#[test]
fn a_custom_codec() {
    let config = Config::new(Codec::Custom(&Backwards));
    let mut pair = Pair::new(config.clone(), config);
    let there = pair.call(Side::Dialler, ("ab", 1), CallOptions::default()).unwrap();
    let back = pair.call(Side::Listener, [2, 3], CallOptions::default()).unwrap();
    pair.drive();
    assert_eq!(pair.dialler.result(there), serde_json::json!(["ab", 1]));
    assert_eq!(pair.listener.result(back), serde_json::json!([2, 3]));
    assert!(pair.dialler.link.written.starts_with(b"\0\0\0\x08\x01ba\xa2\x92\x00\x00\x93"));
    // No other codec is accepted.
    let mut solo = Solo::listener(Config::new(Codec::Custom(&Backwards)));
    solo.request(0, "x");
    assert!(matches!(solo.closed(), Some(CloseReason::Malformed { .. })));
}

/// The size of a decompressed frame is limited, even if the codec ignores the limit.
#[test]
fn a_custom_codec_that_unpacks_too_much() {
    for (max_frame, fits) in [(105, true), (104, false)] {
        let mut config = Config::new(Codec::Custom(&Bomb));
        config.limits.max_frame = max_frame;
        let mut solo = Solo::listener(config);
        solo.input(frame(b"!"));
        if fits {
            assert_eq!(solo.requests().len(), 1);
        } else {
            let reason = solo.closed();
            assert!(matches!(reason, Some(CloseReason::Malformed { .. })), "{reason:?}");
            let text = reason.map(|reason| reason.to_string()).unwrap_or_default();
            assert!(text.contains("105 bytes; it may have 104 (`Limits::max_frame`)"), "{text}");
        }
    }
}

#[test]
fn the_bytes_of_requests_are_counted_as_they_are_held() {
    let mut config = Config::new(Codec::Custom(&Bomb));
    config.limits.max_input_bytes = 250;
    let mut solo = Solo::listener(config);
    for _ in 0..5 {
        solo.input(frame(b"!"));
    }
    // 105 bytes each, regardless of their size in transit.
    assert_eq!(solo.requests().len(), 2);
    assert_eq!(solo.connection.stats().overloaded, 3);
}
