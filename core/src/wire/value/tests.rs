use std::collections::BTreeMap;

use super::super::{Budget, Format, Types, codec};
use super::*;

const BOTH: [Format; 2] = [Format::Json, Format::MsgPack];

fn codec_context() -> CodecContext {
    CodecContext::new(Types::new(["date", "point"]), Budget::default())
}

fn encode(format: Format, value: &Value) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::new();
    codec::encode(format, &codec_context(), value, &mut out)?;
    Ok(out)
}

fn decode(format: Format, bytes: &[u8]) -> Result<Value, CodecError> {
    codec::decode(format, bytes, &codec_context())
}

fn json(text: &str) -> Result<Value, CodecError> {
    decode(Format::Json, text.as_bytes())
}

fn map(entries: impl IntoIterator<Item = (&'static str, i32)>) -> Value {
    Value::Map(entries.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
}

fn samples() -> Vec<Value> {
    vec![
        Value::Null,
        true.into(),
        i64::MIN.into(),
        u64::MAX.into(),
        1.5.into(),
        f64::INFINITY.into(),
        "ä\"😀\n".into(),
        Value::List(vec![1.into(), Value::List(vec![]), map([])]),
        map([("b", 1), ("a", 2)]),
        Value::Typed { id: 1, data: Box::new(Value::List(vec![0.5.into(), Value::Null])) },
    ]
}

#[test]
fn both_ways() {
    for format in BOTH {
        for value in samples().into_iter().chain([Value::List(samples())]) {
            let bytes = encode(format, &value).unwrap();
            assert_eq!(decode(format, &bytes), Ok(value.clone()));
            assert_eq!(Value::encode(&codec_context(), &value), Ok(value.clone()));
            assert_eq!(value.decode(&codec_context()), Ok(value));
        }
    }
}

#[test]
fn only_in_json() {
    let big = "-123456789012345678901234567890123456789012345678901234567890";
    for text in [
        big,
        r#""a\ud800\n\"\u00e4\ude00\ud83d\ude00 x""#,
        "170141183460469231731687303715884105728",
    ] {
        let value = json(text).unwrap();
        assert_eq!(encode(Format::Json, &value).unwrap(), text.as_bytes());
        assert!(encode(Format::MsgPack, &value).is_err());
        assert_eq!(Value::encode(&codec_context(), &value), Ok(value.clone()));
        assert_eq!(value.decode(&codec_context()), Ok(value));
    }
    assert_eq!(json(big), Ok(Value::Int(big.parse().unwrap())));
    assert_eq!(json(r#""\ude00x""#), Ok(Value::Surrogates(vec![0xde00, 0x78])));
    let keys = r#"{"\ud800": 1, "": {"": []}}"#;
    assert_eq!(encode(Format::Json, &json(keys).unwrap()).unwrap(), keys.as_bytes());
    let big_key = Value::Map(vec![(Value::Int(big.parse().unwrap()), Value::Null)]);
    assert_eq!(encode(Format::Json, &big_key).unwrap(), format!("{{\"{big}\": null}}").as_bytes());
}

#[test]
fn only_in_msgpack() {
    for value in [
        Value::Bytes(b"\0\xff".into()),
        Value::Ext(-3, b"abcd".into()),
        Value::Ext(3, vec![7; 300]),
        Value::Map(vec![
            (Value::List(vec![1.into()]), 1.into()),
            (Value::Bytes(vec![1]), 2.into()),
            (Value::Null, 3.into()),
        ]),
    ] {
        let bytes = encode(Format::MsgPack, &value).unwrap();
        assert_eq!(decode(Format::MsgPack, &bytes), Ok(value.clone()));
        assert!(encode(Format::Json, &Value::List(vec![value.clone()])).is_err());
        assert_eq!(Value::encode(&codec_context(), &value), Ok(value.clone()));
        assert_eq!(value.decode(&codec_context()), Ok(value));
    }
}

#[test]
fn the_last_of_equal_keys_counts() {
    let text = r#"{"a": 1, "b": 2, "a": 3, "c": 4, "b": 5, "a": 6}"#;
    assert_eq!(json(text), Ok(map([("a", 6), ("b", 5), ("c", 4)])));
    let several = b"\x85\x01\x01\xc3\x02\x01\x03\x91\x01\x04\x91\x01\x05";
    let keys =
        [(1.into(), 3.into()), (true.into(), 2.into()), (Value::List(vec![1.into()]), 5.into())];
    assert_eq!(decode(Format::MsgPack, several), Ok(Value::Map(keys.into())));
    let entries: Vec<_> = (0..100_000).map(|i| format!(r#""{}": {i}"#, i % 50_000)).collect();
    let value = json(&format!("{{{}}}", entries.join(","))).unwrap();
    assert_eq!(value.as_map().map(<[_]>::len), Some(50_000));
    assert_eq!(value.get("7").and_then(Value::as_i64), Some(50_007));
}

#[test]
fn typed() {
    let typed = Value::Typed { id: 1, data: Box::new(7.into()) };
    assert_eq!(json(r#"{"x": [1], "__type__": [1, 7], "y": 2}"#), Ok(typed));
    assert_eq!(json(r#"[{"__type__": [2, {}]}]"#), Err(CodecError::UnknownTypeId { id: 2 }));
    let unknown = Value::Typed { id: 2, data: Box::default() };
    assert_eq!(encode(Format::Json, &unknown), Err(CodecError::UnknownTypeId { id: 2 }));
    for wrong in ["1", "[]", "[1]", "[1, 2, 3]", "[\"1\", 2]", "[-1, 2]", "[1.0, 2]", "{}"] {
        assert!(json(&format!(r#"{{"__type__": {wrong}}}"#)).is_err(), "{wrong}");
    }
    // Python cannot have a map in a key either.
    for wrong in [&b"\x81\x80\x01"[..], b"\x81\x91\x80\x01"] {
        assert!(decode(Format::MsgPack, wrong).is_err());
    }
}

#[test]
fn deep_values_take_no_stack() {
    let mut value = Value::Null;
    for level in 0..300_000 {
        value = match level % 3 {
            0 => Value::List(vec![1.into(), value]),
            1 => Value::Map(vec![(Value::Null, value)]),
            _ => Value::Typed { id: 0, data: value.into() },
        };
    }
    let clone = value.clone();
    assert!(clone == value);
    for format in BOTH {
        assert_eq!(encode(format, &value), Err(CodecError::TooDeep { limit: 128 }));
    }
    assert_eq!(
        Value::encode(&codec_context(), &value).err(),
        Some(CodecError::TooDeep { limit: 128 })
    );
    assert_eq!(
        value.decode::<Value>(&codec_context()).err(),
        Some(CodecError::TooDeep { limit: 128 })
    );
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Everything<'a> {
    text: &'a str,
    bytes: Vec<u8>,
    option: Option<Box<Self>>,
    shapes: Vec<Shape>,
    ids: BTreeMap<i32, (u128, f64)>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    Newtype(i128),
    Tuple(char, f32),
    Struct { x: () },
}

#[test]
fn to_and_from_types() {
    let inner =
        Everything { text: "", bytes: vec![], option: None, shapes: vec![], ids: BTreeMap::new() };
    let shapes = vec![
        Shape::Unit,
        Shape::Newtype(i128::MIN),
        Shape::Tuple('ä', 0.5),
        Shape::Struct { x: () },
    ];
    let outer = Everything {
        text: "x",
        bytes: vec![1, 2],
        option: Some(inner.into()),
        shapes,
        ids: BTreeMap::from([(-1, (u128::MAX, 2.0))]),
    };
    let value = Value::encode(&codec_context(), &outer).unwrap();
    assert_eq!(value.decode(&codec_context()), Ok(outer));
    assert_eq!(Value::from(7).decode(&codec_context()), Ok(7.0));
    assert_eq!(Value::from(&b"ab"[..]).decode(&codec_context()), Ok(b"ab".to_vec()));
    assert!(Value::from(256).decode::<u8>(&codec_context()).is_err());
    assert!(Value::from("Other").decode::<Shape>(&codec_context()).is_err());
    assert!(map([("Newtype", 1), ("Unit", 2)]).decode::<Shape>(&codec_context()).is_err());
    assert_eq!(map([("Newtype", 1)]).decode(&codec_context()), Ok(Shape::Newtype(1)));
}

#[test]
fn integers() {
    let parse = |text: &str| text.parse::<Integer>();
    assert_eq!(parse("-0"), Ok(0.into()));
    assert_eq!(parse("007"), Ok(7.into()));
    assert_eq!(parse("-000018446744073709551616").unwrap().to_string(), "-18446744073709551616");
    assert_eq!(parse(&i128::MIN.to_string()), Ok(i128::MIN.into()));
    assert_eq!(parse(&u128::MAX.to_string()).unwrap().as_u128(), Some(u128::MAX));
    assert_eq!(Integer::from(u128::MAX).as_i128(), None);
    assert_eq!(Integer::from(-1).as_u64(), None);
    assert_eq!(Integer::from(u64::MAX).as_i64(), None);
    for wrong in ["", "-", "+1", "1.0", "--1", "1e5", " 1"] {
        assert_eq!(parse(wrong), Err(ParseIntegerError), "{wrong}");
    }
}

#[test]
fn serde_json() {
    let text = r#"{"a":[null,true,-1,18446744073709551615,1.5,"x"],"b":{}}"#;
    let theirs: serde_json::Value = serde_json::from_str(text).unwrap();
    let ours = Value::from(theirs.clone());
    assert_eq!(json(text), Ok(ours.clone()));
    assert_eq!(serde_json::Value::try_from(&ours), Ok(theirs));
    for value in [
        f64::NAN.into(),
        i128::MAX.into(),
        Value::Surrogates(vec![0xd800]),
        Value::Bytes(vec![]),
        Value::Ext(0, vec![]),
        Value::Map(vec![(1.into(), 1.into())]),
    ] {
        assert!(serde_json::Value::try_from(&Value::List(vec![value])).is_err());
    }
}
