//! Properties of the codecs, over random values.

use std::collections::BTreeMap;

use aiomas_core::wire::codec::{self, Cursor};
use aiomas_core::wire::{Budget, CodecContext, CodecError, Format, Types, Value};
use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

const BUDGET: Budget = Budget::new(16, 1000);

fn codec_context() -> CodecContext {
    CodecContext::new(Types::new(["a", "b", "c"]), BUDGET)
}

fn encode<T: Serialize + ?Sized>(format: Format, value: &T) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::new();
    codec::encode(format, &codec_context(), value, &mut out)?;
    Ok(out)
}

fn decode<'de, T: Deserialize<'de>>(format: Format, bytes: &'de [u8]) -> Result<T, CodecError> {
    codec::decode(format, bytes, &codec_context())
}

/// Returns numbers and strings that both formats have.
fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i8>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        prop::num::f64::ANY.prop_filter("NaN", |f| !f.is_nan()).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ]
}

fn json_leaf() -> impl Strategy<Value = Value> {
    let surrogates = prop::collection::vec(any::<u16>(), 0..4)
        .prop_map(|units| Value::Surrogates([vec![0x61, 0xdc00], units].concat()));
    let big = "-?[1-9][0-9]{40,50}".prop_map(|digits| Value::Int(digits.parse().unwrap()));
    prop_oneof![8 => leaf(), 1 => any::<i128>().prop_map(Value::from), 1 => big, 1 => surrogates]
}

fn msgpack_leaf() -> impl Strategy<Value = Value> {
    let bytes = prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        8 => leaf(),
        1 => bytes.clone().prop_map(Value::Bytes),
        1 => (any::<i8>(), bytes).prop_map(|(tag, data)| Value::Ext(tag, data)),
    ]
}

fn nested(
    leaf: impl Strategy<Value = Value> + 'static,
    key: impl Strategy<Value = Value> + Clone + 'static,
) -> impl Strategy<Value = Value> {
    leaf.prop_recursive(5, 40, 5, move |inner| {
        let entries = prop::collection::vec((key.clone(), inner.clone()), 0..5);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::List),
            entries.prop_map(|mut entries| {
                let mut seen: Vec<Value> = Vec::new();
                entries.retain(|(key, _)| {
                    let new = !seen.contains(key) && key.as_str() != Some("__type__");
                    seen.push(key.clone());
                    new
                });
                Value::Map(entries)
            }),
            (0..3_u64, inner).prop_map(|(id, data)| Value::Typed { id, data: data.into() }),
        ]
    })
}

fn json_value() -> impl Strategy<Value = Value> {
    nested(json_leaf(), any::<String>().prop_map(Value::from).boxed())
}

fn msgpack_value() -> impl Strategy<Value = Value> {
    nested(msgpack_leaf(), msgpack_leaf().boxed())
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Record {
    name: String,
    numbers: (i8, u64, f32, f64, i128),
    maybe: Option<char>,
    by_number: BTreeMap<i32, Vec<bool>>,
    shape: Shape,
    #[serde(flatten)]
    rest: BTreeMap<String, u8>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    Newtype(String),
    Tuple((), i16),
    Struct { x: Box<Option<Self>> },
}

fn record() -> impl Strategy<Value = Record> {
    let shape = prop_oneof![
        Just(Shape::Unit),
        any::<String>().prop_map(Shape::Newtype),
        any::<i16>().prop_map(|n| Shape::Tuple((), n)),
        any::<bool>().prop_map(|some| Shape::Struct { x: some.then_some(Shape::Unit).into() }),
    ];
    let numbers = (any::<i8>(), any::<u64>(), any::<f32>(), any::<f64>(), any::<i64>());
    let by_number = prop::collection::btree_map(any::<i32>(), any::<Vec<bool>>(), 0..3);
    let rest = prop::collection::btree_map("[x-z]{1,3}", any::<u8>(), 0..3);
    (any::<String>(), numbers, any::<Option<char>>(), by_number, shape, rest).prop_map(
        |(name, (a, b, c, d, e), maybe, by_number, shape, rest)| Record {
            name,
            numbers: (a, b, c, d, e.into()),
            maybe,
            by_number,
            shape,
            rest,
        },
    )
}

/// Changes a few bytes.
fn mutated(bytes: &[u8], mutations: &[(prop::sample::Index, u8)]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (at, byte) in mutations {
        let at = at.index(bytes.len());
        bytes[at] = *byte;
    }
    bytes
}

/// The cursor must accept all input that decoding accepts, and reject malformed input.
fn verdicts_agree(format: Format, bytes: &[u8]) -> Result<(), TestCaseError> {
    let mut cursor = Cursor::new(format, bytes, BUDGET);
    let walked = cursor.skip().and_then(|range| cursor.end().map(|()| range));
    prop_assert_eq!(decode::<IgnoredAny>(format, bytes).err(), walked.clone().err());
    match decode::<Value>(format, bytes) {
        Ok(_) => prop_assert!(walked.is_ok(), "{walked:?}"),
        Err(CodecError::Value(_) | CodecError::UnknownTypeId { .. }) => {}
        Err(error) => prop_assert_eq!(walked.err(), Some(error)),
    }
    Ok(())
}

fn mutations() -> impl Strategy<Value = Vec<(prop::sample::Index, u8)>> {
    let byte = prop_oneof![any::<u8>(), prop::sample::select(&b"[]{},:\"\\019.e-untf "[..])];
    prop::collection::vec((any::<prop::sample::Index>(), byte), 0..4)
}

proptest! {
    #[test]
    fn json_round_trip(value in json_value()) {
        let bytes = encode(Format::Json, &value).unwrap();
        prop_assert!(bytes.is_ascii());
        prop_assert_eq!(&decode::<Value>(Format::Json, &bytes).unwrap(), &value);
        prop_assert_eq!(&Value::encode(&codec_context(), &value).unwrap(), &value);
        prop_assert_eq!(&value.decode::<Value>(&codec_context()).unwrap(), &value);
    }

    #[test]
    fn msgpack_round_trip(value in msgpack_value()) {
        let bytes = encode(Format::MsgPack, &value).unwrap();
        prop_assert_eq!(&decode::<Value>(Format::MsgPack, &bytes).unwrap(), &value);
        prop_assert_eq!(&Value::encode(&codec_context(), &value).unwrap(), &value);
        prop_assert_eq!(&value.decode::<Value>(&codec_context()).unwrap(), &value);
    }

    #[test]
    fn one_codec_and_the_other(value in json_value()) {
        // Only JSON has integers beyond 64 bits and lone surrogates.
        if let Ok(msgpack) = encode(Format::MsgPack, &value) {
            let through = decode::<Value>(Format::MsgPack, &msgpack).unwrap();
            prop_assert_eq!(encode(Format::Json, &through), encode(Format::Json, &value));
        }
    }

    #[test]
    fn records_round_trip(record in record()) {
        for format in [Format::Json, Format::MsgPack] {
            let bytes = encode(format, &record).unwrap();
            prop_assert_eq!(&decode::<Record>(format, &bytes).unwrap(), &record);
        }
    }

    #[test]
    fn cursor_and_json_agree(value in json_value(), mutations in mutations()) {
        let bytes = encode(Format::Json, &value).unwrap();
        verdicts_agree(Format::Json, &mutated(&bytes, &mutations))?;
    }

    #[test]
    fn cursor_and_msgpack_agree(value in msgpack_value(), mutations in mutations()) {
        let bytes = encode(Format::MsgPack, &value).unwrap();
        verdicts_agree(Format::MsgPack, &mutated(&bytes, &mutations))?;
    }

    #[test]
    fn anything_can_come_in(bytes in any::<Vec<u8>>()) {
        verdicts_agree(Format::MsgPack, &bytes)?;
        verdicts_agree(Format::Json, &bytes)?;
    }

    #[test]
    fn serde_json_agrees(text in any::<String>(), numbers in any::<(u64, i64, i128)>()) {
        let json = encode(Format::Json, &(&text, numbers)).unwrap();
        prop_assert_eq!(serde_json::from_slice::<(String, (u64, i64, i128))>(&json).unwrap(), (text, numbers));
    }
}
