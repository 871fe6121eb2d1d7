//! Our MsgPack against rmp-serde's, over the features of both.

use std::collections::BTreeMap;
use std::fmt::Debug;

use aiomas_core::wire::codec;
use aiomas_core::wire::{CodecContext, CodecError, Format};
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    codec::encode(Format::MsgPack, &CodecContext::default(), value, &mut out).unwrap();
    out
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    codec::decode(Format::MsgPack, bytes, &CodecContext::default())
}

/// Encodes structs as maps, like ours.
fn oracle_encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    let mut serializer =
        rmp_serde::Serializer::new(&mut out).with_struct_map().with_human_readable();
    value.serialize(&mut serializer).unwrap();
    out
}

/// Encodes structs as arrays.
fn oracle_encode_compact<T: Serialize>(value: &T) -> Vec<u8> {
    let mut out = Vec::new();
    value.serialize(&mut rmp_serde::Serializer::new(&mut out).with_human_readable()).unwrap();
    out
}

fn oracle_decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, rmp_serde::decode::Error> {
    T::deserialize(&mut rmp_serde::Deserializer::from_read_ref(bytes).with_human_readable())
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Everything {
    truth: bool,
    signed: (i8, i16, i32, i64),
    unsigned: (u8, u16, u32, u64),
    float: f64,
    char: char,
    text: String,
    bytes: Bytes,
    option: Option<Option<Wrapped>>,
    shapes: Vec<Shape>,
    map: BTreeMap<(i16, bool), String>,
    unit: (),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Wrapped(u32);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    Newtype(Option<i64>),
    Tuple(i8, String),
    Struct { x: u16, rest: Vec<Self> },
}

#[derive(Clone, Debug, PartialEq)]
struct Bytes(Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

/// Accepts bytes as a sequence.
impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self)
    }
}

fn shape() -> impl Strategy<Value = Shape> {
    let leaf = prop_oneof![
        Just(Shape::Unit),
        any::<Option<i64>>().prop_map(Shape::Newtype),
        any::<(i8, String)>().prop_map(|(x, text)| Shape::Tuple(x, text)),
    ];
    leaf.prop_recursive(3, 10, 4, |inner| {
        (any::<u16>(), prop::collection::vec(inner, 0..4))
            .prop_map(|(x, rest)| Shape::Struct { x, rest })
    })
}

/// Returns numbers near the limits of the encodings, of `bits` bits.
fn near_boundaries() -> impl Strategy<Value = i128> {
    (0..65_u32, any::<bool>(), -2..=2_i128).prop_map(|(bits, minus, more)| {
        let number = (1_i128 << bits) + more;
        if minus { -number } else { number }
    })
}

fn clamped<T: TryFrom<i128> + Default + Debug>() -> impl Strategy<Value = T> {
    near_boundaries().prop_map(|number| T::try_from(number).unwrap_or_default())
}

fn everything() -> impl Strategy<Value = Everything> {
    let float = prop::num::f64::ANY.prop_filter("NaN", |float| !float.is_nan());
    let numbers = (
        (clamped::<i8>(), clamped::<i16>(), clamped::<i32>(), clamped::<i64>()),
        (clamped::<u8>(), clamped::<u16>(), clamped::<u32>(), clamped::<u64>()),
    );
    let texts = (any::<char>(), ".{0,40}", prop::collection::vec(any::<u8>(), 0..300));
    let option = prop::option::of(any::<u32>().prop_map(Wrapped));
    let shapes = prop::collection::vec(shape(), 0..20);
    let map =
        prop::collection::btree_map((clamped::<i16>(), any::<bool>()), any::<String>(), 0..20);
    (any::<bool>(), numbers, float, texts, option, shapes, map).prop_map(
        |(truth, (signed, unsigned), float, (char, text, bytes), option, shapes, map)| Everything {
            truth,
            signed,
            unsigned,
            float,
            char,
            text,
            bytes: Bytes(bytes),
            option: option.map(Some),
            shapes,
            map,
            unit: (),
        },
    )
}

/// Returns `number` in every encoding that can hold it, except the fixed ones.
fn forms(number: i128) -> Vec<Vec<u8>> {
    let mut forms = vec![];
    for (width, unsigned, signed) in
        [(1, 0xcc, 0xd0), (2, 0xcd, 0xd1), (4, 0xce, 0xd2), (8, 0xcf, 0xd3)]
    {
        let (bits, bytes) = (8 * width as u32, number.to_be_bytes());
        let digits = &bytes[16 - width..];
        if (0..1 << bits).contains(&number) {
            forms.push([&[unsigned], digits].concat());
        }
        if (-(1 << (bits - 1))..1 << (bits - 1)).contains(&number) {
            forms.push([&[signed], digits].concat());
        }
    }
    forms
}

fn same<T: DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) -> Result<(), TestCaseError> {
    prop_assert_eq!(decode::<T>(bytes).ok(), oracle_decode::<T>(bytes).ok(), "{:?}", bytes);
    Ok(())
}

proptest! {
    #[test]
    fn same_bytes(value in everything()) {
        prop_assert_eq!(encode(&value), oracle_encode(&value));
    }

    #[test]
    fn same_values(value in everything()) {
        prop_assert_eq!(&oracle_decode::<Everything>(&encode(&value)).unwrap(), &value);
        for bytes in [oracle_encode(&value), oracle_encode_compact(&value)] {
            prop_assert_eq!(&decode::<Everything>(&bytes).unwrap(), &value);
        }
    }

    #[test]
    fn same_numbers(number in near_boundaries()) {
        for bytes in forms(number) {
            same::<i8>(&bytes)?;
            same::<i16>(&bytes)?;
            same::<i32>(&bytes)?;
            same::<i64>(&bytes)?;
            same::<i128>(&bytes)?;
            same::<u8>(&bytes)?;
            same::<u16>(&bytes)?;
            same::<u32>(&bytes)?;
            same::<u64>(&bytes)?;
            same::<f32>(&bytes)?;
            same::<f64>(&bytes)?;
            same::<bool>(&bytes)?;
            same::<Option<u8>>(&bytes)?;
            // rmp-serde decodes negative numbers as huge ones.
            prop_assert_eq!(decode::<u128>(&bytes).ok(), u128::try_from(number).ok());
        }
    }

    #[test]
    fn same_floats(float in any::<f32>()) {
        let bytes = oracle_encode(&float);
        prop_assert_eq!(decode::<f32>(&bytes).unwrap().to_bits(), float.to_bits());
        let ours = encode(&float);
        let exact = oracle_decode::<f64>(&ours).unwrap();
        prop_assert!(exact == f64::from(float) || float.is_nan());
    }

    /// rmp-serde accepts all input that ours accepts, and more: trailing bytes, arrays for enums,
    /// and so on.
    #[test]
    fn nothing_else_is_taken(
        value in everything(),
        mutations in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = encode(&value);
        for (at, byte) in mutations {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(ours) = decode::<Everything>(&bytes) {
            prop_assert_eq!(format!("{:?}", oracle_decode::<Everything>(&bytes).unwrap()), format!("{ours:?}"));
        }
    }
}

#[test]
fn stricter_than_the_oracle() {
    assert!(oracle_decode::<u128>(b"\xff").is_ok() && decode::<u128>(b"\xff").is_err());
    let sixteen = [&[0xc4, 16][..], &[7; 16]].concat();
    assert!(oracle_decode::<i128>(&sixteen).is_ok() && decode::<i128>(&sixteen).is_err());
    assert!(oracle_decode::<u8>(b"\x01\x02").is_ok() && decode::<u8>(b"\x01\x02").is_err());
    let pair = b"\xc4\x03abc";
    assert!(oracle_decode::<(u8, u8)>(pair).is_ok() && decode::<(u8, u8)>(pair).is_err());
}
