use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde::de::{DeserializeOwned, IgnoredAny};

use super::*;

fn pack<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, CodecError> {
    let mut out = Vec::new();
    encode(value, Budget::new(4, 1010), &mut out)?;
    Ok(out)
}

fn unpack<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    decode(bytes, Budget::new(4, 1010), Reading::PLAIN)
}

#[track_caller]
fn both_ways<T>(value: T, bytes: &[u8])
where
    T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug,
{
    assert_eq!(pack(&value).as_deref(), Ok(bytes));
    assert_eq!(unpack(bytes), Ok(value));
}

#[test]
fn integers_take_the_shortest_form() {
    for (number, bytes) in [
        (0_i64, &b"\0"[..]),
        (127, b"\x7f"),
        (128, b"\xcc\x80"),
        (255, b"\xcc\xff"),
        (256, b"\xcd\x01\0"),
        (0x1_0000, b"\xce\0\x01\0\0"),
        (0x1_0000_0000, b"\xcf\0\0\0\x01\0\0\0\0"),
        (-1, b"\xff"),
        (-32, b"\xe0"),
        (-33, b"\xd0\xdf"),
        (-128, b"\xd0\x80"),
        (-129, b"\xd1\xff\x7f"),
        (-0x8001, b"\xd2\xff\xff\x7f\xff"),
        (-0x8000_0001, b"\xd3\xff\xff\xff\xff\x7f\xff\xff\xff"),
    ] {
        both_ways(number, bytes);
        both_ways(i128::from(number), bytes);
    }
    both_ways(u64::MAX, &[0xcf, 255, 255, 255, 255, 255, 255, 255, 255]);
    both_ways(u128::from(u64::MAX), &[0xcf, 255, 255, 255, 255, 255, 255, 255, 255]);
    for error in [pack(&(u128::from(u64::MAX) + 1)), pack(&(i128::from(i64::MIN) - 1))] {
        assert!(error.unwrap_err().to_string().contains("more than 64 bits"));
    }
}

#[test]
fn heads_take_the_shortest_form() {
    for (length, head) in [
        (31, &b"\xbf"[..]),
        (32, b"\xd9\x20"),
        (255, b"\xd9\xff"),
        (256, b"\xda\x01\0"),
        (0x1_0000, b"\xdb\0\x01\0\0"),
    ] {
        both_ways("x".repeat(length), &[head, &vec![b'x'; length]].concat());
    }
    for (length, head) in [(15, &b"\x9f"[..]), (16, b"\xdc\0\x10"), (999, b"\xdc\x03\xe7")] {
        both_ways(vec![7; length], &[head, &vec![7; length]].concat());
    }
    assert_eq!(pack(&vec![0; 0x1_0000]).unwrap()[..5], *b"\xdd\0\x01\0\0");
    both_ways(0.5_f32, b"\xcb\x3f\xe0\0\0\0\0\0\0");
    both_ways((true, None::<u8>, ()), b"\x93\xc3\xc0\xc0");
    both_ways(BTreeMap::from([((1, 2), "x".to_string())]), b"\x81\x92\x01\x02\xa1x");
    both_ways(Ipv4Addr::LOCALHOST, b"\xa9127.0.0.1");
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Flat {
    a: i32,
    #[serde(flatten)]
    rest: BTreeMap<String, i32>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    Newtype(i32),
    Tuple(i32, i32),
    Struct { x: f64 },
}

#[test]
fn data_model() {
    let rest = BTreeMap::from([("b".into(), 2), ("c".into(), 3)]);
    both_ways(vec![Flat { a: 1, rest }], b"\x91\x83\xa1a\x01\xa1b\x02\xa1c\x03");
    both_ways(
        (Shape::Unit, Shape::Newtype(1), Shape::Tuple(1, 2), Shape::Struct { x: 0.0 }),
        b"\x94\xa4Unit\x81\xa7Newtype\x01\x81\xa5Tuple\x92\x01\x02\
          \x81\xa6Struct\x81\xa1x\xcb\0\0\0\0\0\0\0\0",
    );
}

#[derive(Debug, PartialEq)]
struct Data(Vec<u8>);

impl Serialize for Data {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&[u8]>::deserialize(deserializer).map(|data| Self(data.into()))
    }
}

#[test]
fn bytes_and_extensions() {
    both_ways(Data(b"ab".into()), b"\xc4\x02ab");
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(rename = "_ExtStruct")]
    struct Wrapped((i8, Data));
    for (tag, data, bytes) in [
        (5, &b"a"[..], &b"\xd4\x05a"[..]),
        (-1, b"abcd", b"\xd6\xffabcd"),
        (-100, b"", b"\xc7\0\x9c"),
        (0, b"abc", b"\xc7\x03\0abc"),
        (1, &[7; 16], &[0xd8, 1, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7]),
    ] {
        both_ways(Wrapped((tag, Data(data.into()))), bytes);
    }
}

#[test]
fn hostile() {
    assert_eq!(
        unpack::<Vec<u8>>(b"\xdd\xff\xff\xff\xff\0"),
        Err(CodecError::Syntax { at: 0, what: "longer than the bytes that are left" })
    );
    assert!(unpack::<IgnoredAny>(b"\xa1\xff").is_err());
    assert!(unpack::<u8>(b"\x01\x02").is_err());
    #[derive(Debug, Serialize, Deserialize)]
    struct Chain(Option<Box<Self>>, i32);
    let bytes = [&[0x92; 5][..], b"\xc0\0\0\0\0\0"].concat();
    assert_eq!(unpack::<Chain>(&bytes).unwrap_err(), CodecError::TooDeep { limit: 4 });
    let mut chain = Chain(None, 0);
    for _ in 0..4 {
        chain = Chain(Some(chain.into()), 0);
    }
    assert_eq!(pack(&chain), Err(CodecError::TooDeep { limit: 4 }));
}

#[test]
fn errors() {
    let error = unpack::<(i32,)>(b"\x91\xa1x").unwrap_err();
    assert_eq!(error.to_string(), "invalid type: string \"x\", expected i32 (before byte 3)");
    let error = unpack::<(String,)>(b"\x91\x07").unwrap_err();
    assert_eq!(error.to_string(), "invalid type: integer `7`, expected a string (before byte 2)");
}

#[test]
fn other_forms_are_taken() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Point {
        x: i8,
        y: u128,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Nothing;
    for bytes in [
        &b"\x82\xa1x\xff\xa1y\xcc\x05"[..],
        b"\x92\xff\x05",
        b"\xdc\0\x02\xd0\xff\xd3\0\0\0\0\0\0\0\x05",
    ] {
        assert_eq!(unpack(bytes), Ok(Point { x: -1, y: 5 }));
    }
    assert_eq!(unpack(b"\xc0"), Ok(Nothing));
    assert_eq!(unpack(b"\x90"), Ok(Nothing));
    assert_eq!(unpack(b"\x81\xa4Unit\xc0"), Ok(Shape::Unit));
    assert_eq!(unpack(b"\xc4\x02ab"), Ok((b'a', b'b')));
    assert_eq!(unpack(b"\xca\x3f\0\0\0"), Ok(0.5_f64));
    assert_eq!(decode::<&str>(b"\xd9\x01x", Budget::new(0, 1), Reading::PLAIN), Ok("x"));
}

#[test]
fn what_does_not_fit() {
    for (bytes, text) in [
        (&b"\x92\xc3\xff"[..], "invalid value: integer `-1`, expected u128 (before byte 3)"),
        (b"\x92\xc3\xc4\x01a", "invalid type: byte array, expected u128 (before byte 5)"),
        (b"\x93\xc3\x01\x02", "more elements than expected (before byte 3)"),
        (b"\x91\xc3", "invalid length 1, expected a tuple of size 2 (before byte 2)"),
    ] {
        assert_eq!(unpack::<(bool, u128)>(bytes).unwrap_err().to_string(), text);
    }
    for bytes in
        [&b"\x82\xa4Unit\xc0\xa4Unit\xc0"[..], b"\x80", b"\x91\xa4Unit", b"\0", b"\xa5Other"]
    {
        assert!(matches!(unpack::<Shape>(bytes), Err(CodecError::Value(_))), "{bytes:?}");
    }
    for (bytes, at, what) in [
        (&b"\x92\xcd\x01"[..], 1, "longer than the bytes that are left"),
        (b"\x92\x01\xc1", 2, "0xc1 begins no value"),
        (b"\x92\x01\xda\0", 2, "the bytes end within a length"),
        (b"\x91\xa2x\xff", 3, "a string is not UTF-8"),
        (b"\x90\x90", 1, "trailing bytes"),
    ] {
        let error = Err(CodecError::Syntax { at, what });
        assert_eq!(unpack::<IgnoredAny>(bytes), error);
        assert_eq!(unpack::<super::super::super::Value>(bytes).map(|_| IgnoredAny), error);
    }
    assert_eq!(
        decode::<u8>(b"\x01", Budget::new(0, 0), Reading::PLAIN),
        Err(CodecError::TooManyNodes { limit: 0 })
    );
}
