//! The memory cost of the most expensive messages, counted by the allocator.
//!
//! One test, because the allocator counts for the whole process.

use std::alloc::System;
use std::sync::Arc;
use std::time::Instant;

use aiomas_core::connection::{CallOptions, Config, Connection, Event, Limits, Negotiate, Side};
use aiomas_core::wire::{Codec, CodecContext, Format, Payload, Value};
use aiomas_tests::message::{FAILURE, REQUEST, RESULT, encoded, raw};
use bytes::BytesMut;
use cap::Cap;
use serde::de::DeserializeOwned;

#[global_allocator]
static ALLOCATOR: Cap<System> = Cap::new(System, usize::MAX);

const JSON: Format = Format::Json;
const MSGPACK: Format = Format::MsgPack;
const MIB: usize = 1 << 20;
/// The payload size of a frame within the default limits, in bytes.
const LONG: usize = 15 * MIB;

/// Runs code with at most `bound` bytes beyond the current allocations. A larger allocation aborts
/// the process; the last line of output names the excess.
fn within<T>(what: &str, bound: usize, run: impl FnOnce() -> T) -> T {
    println!("{what}: within {bound} bytes");
    let limit = ALLOCATOR.allocated() + bound;
    ALLOCATOR.set_limit(limit).expect("more than is allocated");
    let value = run();
    ALLOCATOR.set_limit(usize::MAX).expect("no limit");
    value
}

/// Returns `begin`, repeated `item`s up to about `length` bytes, and `end`.
fn repeated(begin: &[u8], item: &[u8], end: &[u8], length: usize) -> (Vec<u8>, u32) {
    let count = length / item.len();
    ([begin, &item.repeat(count), end].concat(), count as u32)
}

/// Returns a list with as many `item`s as fit into `length` bytes.
fn list(format: Format, item: &[u8], length: usize) -> Vec<u8> {
    match format {
        JSON => {
            let (mut json, _) = repeated(b"[", &[item, b","].concat(), item, length);
            json.push(b']');
            json
        }
        MSGPACK => {
            let (mut list, count) = repeated(&[0xdd, 0, 0, 0, 0], item, b"", length);
            list[1..5].copy_from_slice(&count.to_be_bytes());
            list
        }
    }
}

fn text(item: &[u8], length: usize) -> Vec<u8> {
    repeated(b"\"", item, b"\"", length).0
}

fn connection(side: Side, config: Config) -> (Connection<()>, Instant) {
    let now = Instant::now();
    let mut connection = Connection::new(Arc::new(config), side, now);
    while connection.poll_event().is_some() {}
    (connection, now)
}

/// Passes a frame of the peer to a connection, within a memory bound.
fn input(
    what: &str,
    bound: usize,
    (connection, now): &mut (Connection<()>, Instant),
    frame: &[u8],
) -> Vec<Event<()>> {
    let mut input = BytesMut::from(frame);
    within(what, bound, || std::iter::from_fn(|| connection.poll_input(*now, &mut input)).collect())
}

/// A failure is kept as three texts of `max_failure` bytes. No input needs much more memory.
fn failures() {
    let hostile = [
        (MSGPACK, list(MSGPACK, b"\x81\xa0\xc0", LONG)),
        (MSGPACK, list(MSGPACK, b"\x91\xc0", LONG)),
        (MSGPACK, list(MSGPACK, b"\xa1a", LONG)),
        (MSGPACK, list(MSGPACK, b"\xcb\x7f\xef\xff\xff\xff\xff\xff\xff", LONG)),
        (MSGPACK, [b"\xc6\0\xf0\0\0", &vec![0; LONG][..]].concat()),
        (MSGPACK, [b"\xdb\0\xf0\0\0", &vec![b'\n'; LONG][..]].concat()),
        (JSON, list(JSON, b"{\"\":0}", LONG)),
        (JSON, list(JSON, b"[0]", LONG)),
        (JSON, list(JSON, b"\"a\"", LONG)),
        (JSON, text(b"\\n", LONG)),
        (JSON, text(b"\\ud800", LONG)),
        (JSON, text("\u{e9}".as_bytes(), LONG)),
        (
            JSON,
            [b"[", &text(b"\\u0041", LONG / 2)[..], b",", &text(b"\\t", LONG / 3), b",\"x\"]"]
                .concat(),
        ),
    ];
    for limits in [Limits::exposed(), Limits::default()] {
        let bound = 8 * limits.max_failure + MIB / 2;
        for (format, content) in &hostile {
            let mut config = Config::new(Codec::Json);
            config.limits = limits.clone();
            config.limits.max_frame = 16 * MIB;
            let mut caller = connection(Side::Dialler, config);
            caller.0.call(caller.1, &0, CallOptions::default(), ()).expect("room for a call");
            let frame = raw(*format, FAILURE, &encoded(*format, &0), content);
            let shown = format!("a failure of {:?}", String::from_utf8_lossy(&content[..20]));
            let events = input(&shown, bound, &mut caller, &frame);
            assert!(matches!(&events[..], [Event::Answer { result: Err(_), .. }]), "{events:?}");
        }
    }
}

fn hello(format: Format, field: &str, names: &[u8]) -> Vec<u8> {
    match format {
        JSON => {
            let codecs = if field == "codecs" { "" } else { "\"codecs\": [\"json\"], " };
            let head = format!("{{\"version\": 1, {codecs}\"{field}\": ");
            [head.as_bytes(), names, b"}"].concat()
        }
        MSGPACK => {
            let head = encoded(MSGPACK, field);
            let version = b"\x83\xa7version\x01\xa6codecs\x91\xa7msgpack";
            [version, &head[..], names].concat()
        }
    }
}

/// Hello costs little more than its own bytes, because it arrives before admission.
fn hellos() {
    let bound = MIB;
    for format in [JSON, MSGPACK] {
        let name: &[u8] = if format == JSON { b"\"a\"" } else { b"\xa1a" };
        for field in ["extensions", "types", "unknown", "codecs"] {
            for names in [list(format, name, LONG), list(format, name, 200_000)] {
                let hello = hello(format, field, &names);
                let question = match format {
                    JSON => [b"[\"$hello\", [", &hello[..], b"], {}]"].concat(),
                    MSGPACK => [b"\x93\xa6$hello\x91", &hello[..], b"\x80"].concat(),
                };
                let mut listener = connection(Side::Listener, Config::new(Codec::Json));
                let frame = raw(format, REQUEST, &encoded(format, &0), &question);
                input(&format!("a Hello with {field}"), bound, &mut listener, &frame);

                let mut config = Config::new(Codec::Json);
                let offer = vec![Codec::MsgPack];
                config.negotiate = Negotiate::Hello { base: Codec::Json, offer };
                let mut dialler = connection(Side::Dialler, config);
                let frame = raw(format, RESULT, &encoded(format, &0), &hello);
                input(&format!("an answer to Hello with {field}"), bound, &mut dialler, &frame);
            }
        }
    }
}

/// An item of a list, with its count in `Budget::nodes`.
const ITEMS: [(Format, &[u8], usize); 14] = [
    (MSGPACK, b"\x81\xa0\xc0", 11),
    (MSGPACK, b"\x81\xa1a\xa1b", 11),
    (MSGPACK, b"\x82\xa1a\xc0\xa1b\xc0", 13),
    (MSGPACK, b"\x91\xc0", 4),
    (MSGPACK, b"\x91\x91\x91\x91\x91\x91\x91\xc0", 22),
    (MSGPACK, b"\x90", 3),
    (MSGPACK, b"\x80", 9),
    (MSGPACK, b"\xa1a", 1),
    (MSGPACK, b"\xc0", 1),
    (JSON, b"{\"\":0}", 11),
    (JSON, b"[0]", 4),
    (JSON, b"[[[[[[[0]]]]]]]", 22),
    (JSON, b"\"a\"", 1),
    (JSON, b"0", 1),
];

/// Accepted input takes at most 64 bytes for each counted value, plus its own bytes.
fn values() {
    let codec_context = CodecContext::default();
    let nodes = codec_context.budget().nodes as usize;
    for (format, item, units) in ITEMS {
        let count = ((nodes - 3) / units).min(LONG / (item.len() + 1));
        let separator = usize::from(format == JSON);
        let content = list(format, item, count * (item.len() + separator) - separator);
        let payload = Payload::new(format, content.into(), codec_context.clone());
        decoded::<Value>(&payload, item, units, 56);
        decoded::<serde_json::Value>(&payload, item, units, 256);
    }
    let payload = Payload::new(MSGPACK, list(MSGPACK, b"\x81\xa0\xc0", LONG).into(), codec_context);
    assert!(payload.decode::<Value>().is_err());
}

/// Decodes into a `T` of at most `factor` times the input's bytes.
fn decoded<T: DeserializeOwned>(payload: &Payload, item: &[u8], units: usize, factor: usize) {
    let length = payload.bytes().len();
    let count = length / (item.len() + usize::from(payload.format() == JSON));
    let what = format!("{:?} in {}", String::from_utf8_lossy(item), std::any::type_name::<T>());
    let most = 64 * units * count + length + MIB;
    let value = within(&what, most, || payload.decode::<T>().expect("within the budget"));
    let before = ALLOCATOR.allocated();
    // Dropping needs little memory.
    within(&what, most, || drop(value));
    let held = before - ALLOCATOR.allocated();
    println!("{what}: {:.0} times its bytes", held as f64 / length as f64);
    assert!(held <= factor * length, "{what}: {held} exceeds {factor} × {length}");
}

#[test]
fn what_costly_messages_take() {
    hellos();
    failures();
    values();
}
