//! Values that serde buffers (`flatten`, `tag`, `untagged`), and duplicate fields.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use aiomas::serializable;
use aiomas_core::wire::{Body, CodecContext, CodecError, Format, Integer, Payload, Types, Value};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

const NOTATIONS: [Format; 2] = [Format::Json, Format::MsgPack];

fn decode<T: DeserializeOwned>(format: Format, bytes: &[u8]) -> Result<T, CodecError> {
    let codec_context = CodecContext::new(Types::new(["Hours"]), Default::default());
    Payload::new(format, bytes.to_vec().into(), codec_context).decode()
}

#[track_caller]
fn through<T: Serialize + DeserializeOwned + Debug + PartialEq>(value: T) {
    for format in NOTATIONS {
        let codec_context = CodecContext::new(Types::new(["Hours"]), Default::default());
        let body = Body::encode(format, &codec_context, &value).expect("encodes");
        assert_eq!(decode::<T>(format, body.bytes()).as_ref(), Ok(&value), "{body:?}");
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Plain {
    by_hour: BTreeMap<u32, f64>,
}

fn plain() -> Plain {
    Plain { by_hour: BTreeMap::from([(1, 2.0), (23, -0.5)]) }
}

#[serializable]
#[derive(Debug, PartialEq)]
struct Hours(BTreeMap<u32, f64>);

#[derive(Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
struct Id(i64);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Flat<T> {
    id: u8,
    #[serde(flatten)]
    rest: T,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    Offer(Plain),
    Struct { ids: HashMap<Id, bool>, deep: Vec<Flat<BTreeMap<u8, u8>>> },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value")]
enum Adjacent {
    Hours(BTreeMap<u64, Plain>),
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(i64),
    Bools(BTreeMap<bool, u8>),
    Hours(BTreeMap<u32, f64>),
}

/// Next to a variant with text keys, JSON keys stay texts.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum WithNames {
    Hours(BTreeMap<u32, f64>),
    Named(BTreeMap<String, f64>),
}

#[test]
fn keys_that_are_numbers_stay_numbers() {
    through(plain());
    through(Flat { id: 1, rest: plain() });
    through(Flat { id: 1, rest: BTreeMap::from([(7_i16, 8)]) });
    through(Flat { id: 1, rest: Flat { id: 2, rest: BTreeMap::from([(-7_i64, plain())]) }.rest });
    through(Tagged::Offer(plain()));
    let deep = vec![Flat { id: 1, rest: BTreeMap::from([(1, 2)]) }];
    through(Tagged::Struct { ids: HashMap::from([(Id(-5), true)]), deep });
    through(Adjacent::Hours(BTreeMap::from([(u64::MAX, plain())])));
    through(Untagged::Hours(plain().by_hour));
    through(Untagged::Bools(BTreeMap::from([(true, 1)])));
    through(Flat { id: 1, rest: BTreeMap::from([("hours".to_owned(), Hours(plain().by_hour))]) });
}

/// A text that is no number stays a text. One that looks like a number stays a text where a text is
/// expected.
#[test]
fn keys_that_are_texts_stay_texts() {
    let named = || BTreeMap::from([("1".to_owned(), 2.0), ("x".to_owned(), 3.0)]);
    through(Flat { id: 1, rest: named() });
    through(WithNames::Named(named()));
    through(Flat { id: 1, rest: BTreeMap::from([("1".to_owned(), plain())]) }.rest);
    let value: Value = decode(Format::Json, br#"{"1": {"2": 3}}"#).expect("a value");
    assert!(value.get("1").and_then(|value| value.get("2")).is_some());
    // A field is matched by its name, not by a number for its position.
    let flat: Flat<Plain> =
        decode(Format::Json, br#"{"id": 1, "by_hour": {"5": 1.5}, "0": "x", "1": []}"#).unwrap();
    assert_eq!(flat.rest.by_hour, BTreeMap::from([(5, 1.5)]));
}

#[derive(Debug, PartialEq, Deserialize)]
struct Pair {
    a: u8,
    #[serde(default)]
    b: Option<Box<Self>>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(untagged)]
enum Either {
    Pair(Pair),
    Other { a: String },
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(tag = "a")]
enum ByTag {
    One { b: u8 },
    Two { b: u8 },
}

/// As in a Python dictionary, the last of equal keys wins.
#[test]
fn of_equal_keys_the_last_one_counts() {
    fn read<T: DeserializeOwned + Debug + PartialEq>(json: &str, msgpack: &[u8]) -> T {
        let value = decode::<T>(Format::Json, json.as_bytes()).expect(json);
        assert_eq!(decode::<T>(Format::MsgPack, msgpack).as_ref(), Ok(&value), "{json}");
        value
    }
    let pair = |a| Pair { a, b: None };
    assert_eq!(read::<Pair>(r#"{"a": 1, "a": 2}"#, b"\x82\xa1a\x01\xa1a\x02"), pair(2));
    // An overridden value may have the wrong type.
    assert_eq!(read::<Pair>(r#"{"a": "x", "a": 2}"#, b"\x82\xa1a\xa1x\xa1a\x02"), pair(2));
    let nested = read::<Pair>(
        r#"{"a": 1, "b": {"\u0061": 5, "a": 6}, "\u0061": 2}"#,
        b"\x83\xa1a\x01\xa1b\x82\xa1a\x05\xd9\x01a\x06\xa1a\x02",
    );
    assert_eq!(nested, Pair { a: 2, b: Some(Box::new(pair(6))) });
    let list = read::<Vec<Pair>>(
        r#"[{"a": 1}, {"a": 1, "b": null, "a": 3, "b": null}, {"a": 4}]"#,
        b"\x93\x81\xa1a\x01\x84\xa1a\x01\xa1b\xc0\xa1a\x03\xa1b\xc0\x81\xa1a\x04",
    );
    assert_eq!(list, [pair(1), pair(3), pair(4)]);
    let flat = read::<Flat<Pair>>(
        r#"{"id": 1, "a": 1, "id": 2, "a": 3}"#,
        b"\x84\xa2id\x01\xa1a\x01\xa2id\x02\xa1a\x03",
    );
    assert_eq!(flat, Flat { id: 2, rest: pair(3) });
    let either = read::<Either>(r#"{"a": 1, "a": 2}"#, b"\x82\xa1a\x01\xa1a\x02");
    assert_eq!(either, Either::Pair(pair(2)));
    let tag = read::<ByTag>(
        r#"{"a": "One", "b": 1, "a": "Two", "b": 2}"#,
        b"\x84\xa1a\xa3One\xa1b\x01\xa1a\xa3Two\xa1b\x02",
    );
    assert_eq!(tag, ByTag::Two { b: 2 });
    let map = read::<BTreeMap<String, u8>>(r#"{"a": 1, "a": 2}"#, b"\x82\xa1a\x01\xa1a\x02");
    assert_eq!(map, BTreeMap::from([("a".to_owned(), 2)]));
    // Duplicate and numeric keys combined.
    let both: Flat<Plain> =
        decode(Format::Json, br#"{"id": 1, "id": 2, "by_hour": {"1": 0.5, "1": 1.5}}"#).unwrap();
    assert_eq!(both, Flat { id: 2, rest: Plain { by_hour: BTreeMap::from([(1, 1.5)]) } });
}

/// The winning value must have the right type, and buffered values obey the same limits.
#[test]
fn mistakes_stay_mistakes() {
    let error = decode::<Pair>(Format::Json, br#"{"a": 1, "a": "x"}"#).expect_err("no number");
    assert!(error.to_string().starts_with("invalid type: string \"x\""), "{error}");
    let error = decode::<Flat<Plain>>(Format::Json, br#"{"id": 1, "by_hour": {"x": 1}}"#);
    assert!(error.is_err());
    let deep = format!("{}{}{}", r#"{"a":1,"a":2,"b":"#.repeat(200), "null", "}".repeat(200));
    assert!(matches!(
        decode::<Pair>(Format::Json, deep.as_bytes()),
        Err(CodecError::TooDeep { .. })
    ));
    let deep = format!("{}{}{}", r#"{"a":1,"a":2,"b":"#.repeat(100), "null", "}".repeat(100));
    let pair = decode::<Pair>(Format::Json, deep.as_bytes()).expect("deep, but not too deep");
    assert_eq!(pair.a, 2);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum AnyNumber {
    Small(i64),
    Big(Integer),
    Float(f64),
}

/// serde's buffers cannot hold 128 bits. An `Integer` is not affected.
#[test]
fn integers_of_any_size_are_buffered() {
    let big = |text: &str| AnyNumber::Big(text.parse().expect("a number"));
    through(AnyNumber::Small(-1));
    through(big("9223372036854775808"));
    through(big("18446744073709551615"));
    through(AnyNumber::Float(0.5));
    for text in [
        "18446744073709551616",
        "-9223372036854775809",
        "1000000000000000000000000000000000000000000",
    ] {
        assert_eq!(decode::<AnyNumber>(Format::Json, text.as_bytes()), Ok(big(text)));
        assert_eq!(decode::<Integer>(Format::Json, text.as_bytes()), Ok(text.parse().unwrap()));
    }
    assert_eq!(decode::<u128>(Format::Json, b"18446744073709551616"), Ok(1 << 64));
}
