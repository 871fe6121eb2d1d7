//! Golden vectors: messages as Python's aiomas 2.0.1 writes and reads them.

use aiomas_core::wire::codec::blosc::{self, BloscError};
use aiomas_core::wire::{
    Body, Budget, CodecContext, CodecError, Deframer, Envelope, Format, HEADER, Kind, MessageId,
    Payload, Types, Value, typed,
};
use bytes::{Bytes, BytesMut};
use serde_json::Value as Json;

const VECTORS: &str = include_str!("../../data/vectors.json");

/// Enough for the largest vector: a list of 4,194,304 zeros.
const BUDGET: Budget = Budget::new(128, 1 << 23);

fn vectors() -> Json {
    serde_json::from_str(VECTORS).unwrap()
}

fn text<'a>(vector: &'a Json, key: &str) -> &'a str {
    vector[key].as_str().unwrap_or_else(|| panic!("no {key}"))
}

fn hex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap());
    digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

/// Returns the types of a setup, in registration order.
fn codec_context(vector: &Json) -> CodecContext {
    let names: &[&str] = match text(vector, "setup") {
        "plain" => &[],
        "rpc" => &["proxy"],
        "container" => &["date", "proxy"],
        "channel+point+celsius" => &["point", "celsius"],
        "rpc+point+celsius" => &["point", "celsius", "proxy"],
        "container+point" => &["date", "point", "proxy"],
        other => panic!("unknown setup {other}"),
    };
    CodecContext::new(Types::new(names.iter().copied()), BUDGET)
}

/// Returns the format, or `None` for the compressed codec.
fn format(vector: &Json) -> Option<Format> {
    match text(vector, "codec") {
        "json" => Some(Format::Json),
        "msgpack" => Some(Format::MsgPack),
        "msgpackblosc" => None,
        other => panic!("unknown codec {other}"),
    }
}

/// Returns the MsgPack message in a Blosc payload.
fn decode_blosc(payload: &[u8]) -> Result<Bytes, BloscError> {
    blosc::decompress(payload, 1 << 24).map(Bytes::from)
}

/// Returns the value that a vector describes.
fn value(described: &Json) -> Value {
    match described {
        Json::Null => Value::Null,
        Json::Bool(value) => (*value).into(),
        Json::Object(object) => {
            let (kind, data) = object.iter().find(|(kind, _)| *kind != "bits").unwrap();
            match kind.as_str() {
                "int" => Value::Int(data.as_str().unwrap().parse().unwrap()),
                "float" => {
                    let number: f64 = data.as_str().unwrap().parse().unwrap();
                    if let Some(bits) = described["bits"].as_str() {
                        assert_eq!(format!("{:016x}", number.to_bits()), bits);
                    }
                    number.into()
                }
                "str" => data.as_str().unwrap().into(),
                "str_utf16be_hex" => {
                    let bytes = hex(data.as_str().unwrap());
                    let units = bytes.chunks(2).map(|unit| u16::from_be_bytes([unit[0], unit[1]]));
                    Value::Surrogates(units.collect())
                }
                "bytes" => hex(data.as_str().unwrap()).into(),
                "ext" => Value::Ext(
                    data[0].as_i64().unwrap().try_into().unwrap(),
                    hex(data[1].as_str().unwrap()),
                ),
                "list" => Value::List(data.as_array().unwrap().iter().map(value).collect()),
                "typed" => {
                    Value::Typed { id: data[0].as_u64().unwrap(), data: value(&data[1]).into() }
                }
                "dict" => dict(data.as_array().unwrap()),
                "str_repeat" => data[0].as_str().unwrap().repeat(count(data)).into(),
                "bytes_repeat" => hex(data[0].as_str().unwrap()).repeat(count(data)).into(),
                "list_repeat" => Value::List(vec![value(&data[0]); count(data)]),
                other => panic!("unknown kind of value: {other}"),
            }
        }
        other => panic!("no value: {other}"),
    }
}

fn count(repeat: &Json) -> usize {
    repeat[1].as_u64().unwrap() as usize
}

fn dict(pairs: &[Json]) -> Value {
    let mut entries: Vec<(Value, Value)> = Vec::new();
    for pair in pairs {
        let (key, value) = (value(&pair[0]), value(&pair[1]));
        if key.as_str() == Some(typed::KEY) {
            let pair = value.as_list().unwrap();
            return Value::Typed { id: pair[0].as_u64().unwrap(), data: pair[1].clone().into() };
        }
        match entries.iter_mut().find(|(k, _)| *k == key) {
            Some(entry) => entry.1 = value,
            None => entries.push((key, value)),
        }
    }
    Value::Map(entries)
}

/// Returns the value after a round trip through `format`: in JSON all keys are strings.
fn through(format: Format, value: &Value) -> Value {
    match value {
        Value::List(items) => Value::List(items.iter().map(|item| through(format, item)).collect()),
        Value::Map(entries) => {
            let entries = entries.iter().map(|(key, value)| {
                let key = match (format, key) {
                    (Format::MsgPack, _) | (_, Value::Str(_) | Value::Surrogates(_)) => key.clone(),
                    _ => {
                        let body = Body::encode(format, &CodecContext::default(), key).unwrap();
                        str::from_utf8(body.bytes()).unwrap().into()
                    }
                };
                (key, through(format, value))
            });
            Value::Map(entries.collect())
        }
        Value::Typed { id, data } => Value::Typed { id: *id, data: through(format, data).into() },
        other => other.clone(),
    }
}

/// Formats as text, because `NaN` differs from itself.
fn show(value: &Value) -> String {
    format!("{value:?}")
}

fn id(format: Format, described: &Json) -> MessageId {
    let id = value(described);
    match id.as_u64() {
        Some(number) => MessageId::Number(number),
        None => {
            let body = Body::encode(format, &CodecContext::default(), &id).unwrap();
            MessageId::Other(body.bytes().into())
        }
    }
}

fn kind(message: &Json) -> Kind {
    match message["type"].as_u64() {
        Some(0) => Kind::Request,
        Some(1) => Kind::Result,
        Some(2) => Kind::Failure,
        other => panic!("unknown type {other:?}"),
    }
}

fn decode(
    format: Format,
    payload: Bytes,
    codec_context: &CodecContext,
) -> Result<(Envelope, Value), CodecError> {
    let envelope = Envelope::parse(format, payload, codec_context.budget())?;
    let content = Payload::new(format, envelope.content.clone(), codec_context.clone()).decode()?;
    Ok((envelope, content))
}

#[test]
fn messages() {
    let vectors = vectors();
    let (mut read, mut written, mut compressed) = (0, 0, 0);
    for vector in vectors["vectors"].as_array().unwrap() {
        let name = text(vector, "name");
        let (message, codec_context) = (&vector["message"], codec_context(vector));
        let payload = vector["payload_hex"].as_str().map(hex);
        let Some(format) = format(vector) else {
            compressed += 1;
            let payload = payload.unwrap();
            let msgpack = decode_blosc(&payload).unwrap_or_else(|e| panic!("{name}: {e}"));
            let (_, content) = decode(Format::MsgPack, msgpack, &codec_context).unwrap();
            assert_eq!(show(&content), show(&value(&message["content"])), "{name}");
            continue;
        };
        let content = value(&message["content"]);
        let body = Body::encode(format, &codec_context, &content);
        let mut ours = Vec::new();
        if text(vector, "direction") == "from_python" {
            written += 1;
            let content = body.unwrap_or_else(|e| panic!("{name}: {e}")).into_bytes();
            let envelope = Envelope::new(kind(message), id(format, &message["id"]), content);
            envelope.write(format, &mut ours);
            match &payload {
                Some(payload) => assert_eq!(&ours, payload, "{name}"),
                None => {
                    assert_eq!(ours.len() as u64, vector["payload_len"].as_u64().unwrap());
                    assert!(ours.starts_with(&hex(text(vector, "payload_head_hex"))), "{name}");
                    assert!(ours.ends_with(&hex(text(vector, "payload_tail_hex"))), "{name}");
                }
            }
        }
        read += 1;
        let payload = payload.map_or_else(|| ours.into(), Bytes::from);
        if let Some(frame) = vector["frame_hex"].as_str() {
            let mut frame = BytesMut::from(&hex(frame)[..]);
            assert_eq!(Deframer::new(1 << 24).next_frame(&mut frame), Ok(Some(payload.clone())));
            assert!(frame.is_empty());
        }
        let (envelope, decoded) =
            decode(format, payload, &codec_context).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(envelope.kind, kind(message), "{name}");
        assert_eq!(envelope.id, id(format, &message["id"]), "{name}");
        assert_eq!(show(&decoded), show(&through(format, &content)), "{name}");
    }
    assert_eq!((read, written, compressed), (340, 315, 27));
}

/// Encodes a value that Python could not write with our types. Returns `None` if Rust has no such
/// value.
fn unwritable(vector: &Json) -> Option<Result<Body, CodecError>> {
    let codec_context = codec_context(vector);
    let format = format(vector)?;
    let name = text(vector, "name");
    let key = |key: Value| Value::Map(vec![(key, "a".into())]);
    let value = match name {
        "result_key_tuple" => key(Value::List(vec![1.into(), 2.into()])),
        "result_key_bytes" => key(b"k"[..].into()),
        "date_on_plain_channel" => {
            return Some(Body::encode(format, &codec_context, &Typed("date")));
        }
        "celsius_container+point" => {
            return Some(Body::encode(
                format,
                &codec_context,
                &[Typed("celsius"), Typed("celsius")],
            ));
        }
        _ if name.starts_with("result_bytes") => b"abc"[..].into(),
        _ => match name.strip_prefix("result_int_") {
            Some(digits) => Value::Int(digits.parse().unwrap()),
            None => return None,
        },
    };
    Some(Body::encode(format, &codec_context, &value))
}

struct Typed(&'static str);

impl serde::Serialize for Typed {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        typed::serialize(self.0, &1.0, serializer)
    }
}

#[test]
fn errors() {
    let vectors = vectors();
    let (mut unwritten, mut no_such_value, mut rejected, mut compressed) = (0, 0, 0, 0);
    for vector in vectors["errors"].as_array().unwrap() {
        let name = text(vector, "name");
        if text(vector, "stage") == "encode" {
            match unwritable(vector) {
                Some(result) => {
                    unwritten += 1;
                    assert!(result.is_err(), "{name}: {result:?}");
                }
                None => no_such_value += 1,
            }
            continue;
        }
        let payload = Bytes::from(hex(text(vector, "payload_hex")));
        match format(vector) {
            None => {
                compressed += 1;
                let result = decode_blosc(&payload).map_err(|_| ()).and_then(|m| {
                    decode(Format::MsgPack, m, &codec_context(vector)).map_err(|_| ())
                });
                assert!(result.is_err(), "{name}: {result:?}");
            }
            // The type validates dates, not `Value`.
            Some(_) if name == "rejects_bad_date" => {}
            Some(format) => {
                rejected += 1;
                let result = decode(format, payload, &codec_context(vector));
                assert!(result.is_err(), "{name}: {result:?}");
            }
        }
    }
    // A bytearray; sets, classes, and services where they are not available.
    assert_eq!((unwritten, no_such_value, rejected, compressed), (15, 13, 28, 5));
}

#[test]
fn streams() {
    let vectors = vectors();
    let streams = vectors["streams"].as_array().unwrap();
    assert_eq!(streams.len(), 2);
    for stream in streams {
        let bytes = hex(text(stream, "bytes_hex"));
        let payloads: Vec<_> = stream["payloads_hex"].as_array().unwrap().iter().collect();
        let deframer = Deframer::new(bytes.len() - HEADER);
        for cut in 0..=bytes.len() {
            let mut input = BytesMut::new();
            let mut frames = Vec::new();
            for part in [&bytes[..cut], &bytes[cut..]] {
                input.extend_from_slice(part);
                while let Some(frame) = deframer.next_frame(&mut input).unwrap() {
                    frames.push(frame);
                }
            }
            assert!(input.is_empty());
            assert_eq!(frames.len(), payloads.len());
            for (frame, payload) in frames.iter().zip(&payloads) {
                assert_eq!(frame, &hex(payload.as_str().unwrap()));
            }
        }
    }
}
