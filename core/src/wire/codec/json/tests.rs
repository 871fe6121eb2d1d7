use std::collections::BTreeMap;

use serde::de::{DeserializeOwned, IgnoredAny};

use super::*;

fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<String, CodecError> {
    let mut out = Vec::new();
    encode(value, Budget::new(4, 100), &mut out)?;
    Ok(String::from_utf8(out.to_vec()).unwrap())
}

fn from_json<T: DeserializeOwned>(json: &str) -> Result<T, CodecError> {
    decode(json.as_bytes(), Budget::new(4, 100), Reading::PLAIN)
}

#[track_caller]
fn both_ways<T>(value: T, json: &str)
where
    T: Serialize + DeserializeOwned + PartialEq + fmt::Debug,
{
    assert_eq!(to_json(&value).as_deref(), Ok(json));
    assert_eq!(from_json(json), Ok(value));
}

#[test]
fn floats_are_written_as_python_does() {
    for (value, repr) in [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.0, "1.0"),
        (0.1, "0.1"),
        (1e15, "1000000000000000.0"),
        (1e16, "1e+16"),
        (9_999_999_999_999_998.0, "9999999999999998.0"),
        (1e22, "1e+22"),
        (1.5e300, "1.5e+300"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (-1.25e-7, "-1.25e-07"),
        (5e-324, "5e-324"),
        (f64::MAX, "1.7976931348623157e+308"),
        (123.456, "123.456"),
        (0.000_123_4, "0.0001234"),
        (2.0_f64.powi(53), "9007199254740992.0"),
        (-801_419_132_661.781_3, "-801419132661.7812"),
        (f64::INFINITY, "Infinity"),
        (f64::NEG_INFINITY, "-Infinity"),
    ] {
        both_ways(value, repr);
    }
    assert_eq!(to_json(&f64::NAN).unwrap(), "NaN");
    assert!(from_json::<f64>("NaN").unwrap().is_nan());
    assert_eq!(to_json(&0.1_f32).unwrap(), "0.10000000149011612");
    assert_eq!(from_json("0.10000000149011612"), Ok(0.1_f32));
    assert_eq!(from_json("1e400"), Ok(f64::INFINITY));
    assert_eq!(from_json("7"), Ok(7.0));
    assert_eq!(from_json("100000000000000000000000000000000000000000"), Ok(1e41));
}

#[test]
fn short_floats() {
    for places in 1..=8 {
        for digits in (1..2_000_000_u64).step_by(997).chain([123_456_789_012_345]) {
            let value = -(digits as f64) / 10_f64.powi(places);
            if value <= -1e-4 {
                assert_eq!(to_json(&value).unwrap(), format!("{value:?}"));
            }
        }
    }
}

#[test]
fn integers() {
    both_ways(u64::MAX, "18446744073709551615");
    both_ways(i64::MIN, "-9223372036854775808");
    both_ways(i128::MIN, "-170141183460469231731687303715884105728");
    both_ways(u128::MAX, "340282366920938463463374607431768211455");
    assert_eq!(from_json("-0"), Ok(0));
    assert_eq!(from_json("5"), Ok(5_i128));
    assert!(from_json::<u128>("-1").is_err());
    assert!(from_json::<u8>("256").is_err());
    assert!(from_json::<i64>("1.0").is_err());
    let error = from_json::<(u64,)>("[18446744073709551616]").unwrap_err().to_string();
    assert_eq!(error, "invalid value: an integer of more digits, expected u64 (before byte 21)");
}

#[test]
fn strings() {
    both_ways(
        "a\"\\\u{8}\u{c}\n\r\t/\0\u{1f}\u{7f}".to_string(),
        r#""a\"\\\b\f\n\r\t/\u0000\u001f\u007f""#,
    );
    both_ways("größer 😀 \u{ffff}".to_string(), r#""gr\u00f6\u00dfer \ud83d\ude00 \uffff""#);
    both_ways('ä', r#""\u00e4""#);
    assert_eq!(from_json("\"grö\\u00DFer\\/\""), Ok("größer/".to_string()));
    assert_eq!(decode(b"\"plain\"", Budget::default(), Reading::PLAIN), Ok("plain"));
    assert!(decode::<&str>(br#""\n""#, Budget::default(), Reading::PLAIN).is_err());
    assert_eq!(
        from_json::<(i32, String)>(r#"[1, "\ud800"]"#),
        Err(CodecError::Value("a lone surrogate in a string (before byte 12)".into()))
    );
    for length in 0..20 {
        for char in ["a", "~", "\u{7f}", "\u{80}", "\"", "\\", "\u{1f}", " "] {
            let text = format!("{}{char}{}", "x".repeat(length), "y".repeat(9));
            let json = to_json(&text).unwrap();
            assert!(json.is_ascii());
            assert_eq!(from_json(&json), Ok(text));
        }
    }
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    Newtype(i32),
    Tuple(i32, i32),
    Struct { x: Option<f64> },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Meters(f64);

#[test]
fn data_model() {
    both_ways((), "null");
    both_ways(Unit, "null");
    both_ways(Meters(1.0), "1.0");
    both_ways((1, true, None::<i32>, Some("x".to_string())), r#"[1, true, null, "x"]"#);
    both_ways(Vec::<i32>::new(), "[]");
    both_ways(BTreeMap::<String, i32>::new(), "{}");
    both_ways(
        vec![Shape::Unit, Shape::Newtype(1), Shape::Tuple(1, 2), Shape::Struct { x: Some(0.5) }],
        r#"["Unit", {"Newtype": 1}, {"Tuple": [1, 2]}, {"Struct": {"x": 0.5}}]"#,
    );
    assert_eq!(from_json(r#"{"Unit":null}"#), Ok(Shape::Unit));
    for wrong in ["{}", r#"{"Newtype":1,"Unit":2}"#, r#"{"Other":1}"#, r#"{"Newtype"}"#, "5"] {
        assert!(from_json::<Shape>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn keys() {
    both_ways(BTreeMap::from([(-1, 2), (3, 4)]), r#"{"-1": 2, "3": 4}"#);
    both_ways(BTreeMap::from([(true, ())]), r#"{"true": null}"#);
    both_ways(
        BTreeMap::from([(u128::MAX, 1)]),
        r#"{"340282366920938463463374607431768211455": 1}"#,
    );
    both_ways(BTreeMap::from([(Some('ä'), 1)]), r#"{"\u00e4": 1}"#);
    let none = BTreeMap::from([(None::<i32>, 1)]);
    assert_eq!(to_json(&none).unwrap(), r#"{"null": 1}"#);
    assert!(to_json(&BTreeMap::from([((1, 2), 3)])).is_err());
    assert!(from_json::<BTreeMap<i32, i32>>(r#"{"1.5": 1}"#).is_err());
    assert!(from_json::<BTreeMap<i32, i32>>(r#"{"x": 1}"#).is_err());
    assert!(from_json::<BTreeMap<i32, i32>>(r#"{1: 1}"#).is_err());
}

#[test]
fn budget() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Chain(Option<Box<Self>>, i32);
    let mut chain = Chain(None, 0);
    for _ in 0..3 {
        chain = Chain(Some(chain.into()), 0);
    }
    let json = to_json(&chain).unwrap();
    assert!(from_json::<Chain>(&json).is_ok());
    let chain = Chain(Some(chain.into()), 0);
    let deep = CodecError::TooDeep { limit: 4 };
    assert_eq!(to_json(&chain), Err(deep.clone()));
    let json = format!("[{json}, 0]");
    assert_eq!(from_json::<Chain>(&json).unwrap_err(), deep);
    assert_eq!(from_json::<IgnoredAny>(&json).unwrap_err(), deep);
    let many = CodecError::TooManyNodes { limit: 100 };
    let json = format!("[{}0]", "0,".repeat(99));
    assert_eq!(from_json::<Vec<i32>>(&json), Err(many.clone()));
    assert_eq!(from_json::<IgnoredAny>(&json).unwrap_err(), many);
    assert!(from_json::<Vec<i32>>(&json[2..].replacen('0', "[", 1)).is_err());
}

#[test]
fn errors_say_where() {
    assert_eq!(
        from_json::<(i32,)>("[1"),
        Err(CodecError::Syntax { at: 2, what: "the text ends too early" })
    );
    assert!(matches!(from_json::<i32>("1 2"), Err(CodecError::Syntax { at: 2, .. })));
    let error = from_json::<(i32,)>("[1, 2]").unwrap_err();
    assert_eq!(error.to_string(), "more elements than expected (before byte 4)");
    let error = from_json::<Vec<i32>>(r#"[1, "x", 3]"#).unwrap_err();
    assert_eq!(error.to_string(), "invalid type: string \"x\", expected i32 (before byte 7)");
    assert!(to_json(&BytesNotSeq).unwrap_err().to_string().contains("bytes cannot be written"));
}

struct BytesNotSeq;

impl Serialize for BytesNotSeq {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(b"x")
    }
}
