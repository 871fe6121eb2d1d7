//! Typed values, which travel as `{"__type__": [id, data]}`.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, SerializeMap};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{CodecContext, CodecError, Types};

/// The key that makes a map a typed value.
pub const KEY: &str = "__type__";

/// The name of the newtype struct around a [`KEY`] that the value's own type writes.
pub(super) const OWN_KEY: &str = "_aiomas::__type__";

struct OwnKey;

impl Serialize for OwnKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(OWN_KEY, KEY)
    }
}

/// A type whose values travel as typed values.
///
/// `#[serializable]` implements it. A type that implements `Serialize` and `Deserialize` itself needs it only for
/// [`Types::with`](super::Types::with).
pub trait Serializable {
    /// The name under which the type is registered.
    const TYPE: &'static str;
}

impl Types {
    /// Registers `T` after the other types (aiomas' `extra_serializers`).
    ///
    /// Its id is the next number. Both sides therefore need the same order, unless they agree on names in Hello.
    #[must_use]
    pub fn with<T: Serializable>(&self) -> Self {
        Self::new(self.names().chain([T::TYPE]))
    }
}

/// Writes `data` as a value of the registered type `name`, for use in `Serialize`.
///
/// # Errors
/// Fails if `name` is not registered in the [current](CodecContext::current) context
/// ([`CodecError::UnregisteredType`]), or if `data` cannot be encoded.
pub fn serialize<T: Serialize + ?Sized, S: Serializer>(
    name: &str,
    data: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let id = CodecContext::with_current(|codec_context| codec_context.types().id(name))
        .ok_or_else(|| {
            S::Error::custom(CodecError::UnregisteredType { name: name.into() }.raise())
        })?;
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(&OwnKey, &(id, data))?;
    map.end()
}

/// Writes `data` as a value of the type registered as `id`.
pub(super) fn serialize_id<T: Serialize + ?Sized, S: Serializer>(
    id: u64,
    data: &T,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    if CodecContext::with_current(|codec_context| codec_context.types().name(id).map(drop))
        .is_none()
    {
        return Err(S::Error::custom(CodecError::UnknownTypeId { id }.raise()));
    }
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(KEY, &(id, data))?;
    map.end()
}

/// Reads the data of a value of the registered type `name`, for use in `Deserialize`.
///
/// As in aiomas, other entries of the map are dropped.
///
/// # Errors
/// Fails if the next value is not a typed value, is of another type, is of a type not registered in the
/// [current](CodecContext::current) context ([`CodecError::UnknownTypeId`]), or if its data does not fit `T`.
pub fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    name: &'static str,
    deserializer: D,
) -> Result<T, D::Error> {
    deserializer.deserialize_map(TypedVisitor { name, data: PhantomData })
}

/// Checks that the type registered as `id` is `wanted`; `None` accepts any registered type.
fn check_id<E: serde::de::Error>(id: u64, wanted: Option<&str>) -> Result<(), E> {
    let checked = CodecContext::with_current(|codec_context| {
        let found = codec_context.types().name(id)?;
        Some(match wanted {
            Some(wanted) if wanted != found => Err(E::custom(format_args!(
                "expected a value of type \"{wanted}\", got type \"{found}\""
            ))),
            _ => Ok(()),
        })
    });
    checked.unwrap_or_else(|| Err(E::custom(CodecError::UnknownTypeId { id }.raise())))
}

struct TypedVisitor<T> {
    name: &'static str,
    data: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for TypedVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a value of type \"{}\"", self.name)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut data = None;
        while let Some(IsKey(is_key)) = map.next_key()? {
            if is_key {
                let pair = Pair { name: Some(self.name), data: self.data };
                data = Some(map.next_value_seed(pair)?.1);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        data.ok_or_else(|| {
            A::Error::custom(format_args!("expected a value of type \"{}\", got a map", self.name))
        })
    }
}

/// `[id, data]` of a registered type.
pub(super) struct Pair<T> {
    /// The required type; `None` accepts any.
    pub(super) name: Option<&'static str>,
    pub(super) data: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for Pair<T> {
    type Value = (u64, T);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(u64, T), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Pair<T> {
    type Value = (u64, T);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[type id, data]")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(u64, T), A::Error> {
        let id = seq.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
        check_id(id, self.name)?;
        let data = seq.next_element()?.ok_or_else(|| A::Error::invalid_length(1, &self))?;
        match seq.next_element()? {
            Some(IgnoredAny) => Err(A::Error::invalid_length(3, &self)),
            None => Ok((id, data)),
        }
    }
}

/// A map's key of any kind; holds `true` if it is [`KEY`].
struct IsKey(bool);

impl<'de> Deserialize<'de> for IsKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IsKeyVisitor)
    }
}

struct IsKeyVisitor;

macro_rules! other_keys {
    ($($method:ident($type:ty))*) => {
        $(
            fn $method<E>(self, _: $type) -> Result<IsKey, E> {
                Ok(IsKey(false))
            }
        )*
    };
}

impl<'de> Visitor<'de> for IsKeyVisitor {
    type Value = IsKey;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<IsKey, E> {
        Ok(IsKey(key == KEY))
    }

    other_keys! { visit_bool(bool) visit_i64(i64) visit_u64(u64) visit_f64(f64) visit_bytes(&[u8]) }

    fn visit_unit<E>(self) -> Result<IsKey, E> {
        Ok(IsKey(false))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, key: D) -> Result<IsKey, D::Error> {
        IgnoredAny::deserialize(key).map(|_| IsKey(false))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<IsKey, A::Error> {
        IgnoredAny.visit_seq(seq).map(|_| IsKey(false))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<IsKey, A::Error> {
        IgnoredAny.visit_map(map).map(|_| IsKey(false))
    }
}

#[cfg(test)]
mod tests {

    use super::super::{Budget, Format, codec};
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Point(i32, i32);

    impl Serialize for Point {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serialize("point", &(self.0, self.1), serializer)
        }
    }

    impl<'de> Deserialize<'de> for Point {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserialize("point", deserializer).map(|(x, y)| Self(x, y))
        }
    }

    fn codec_context(names: &[&str]) -> CodecContext {
        CodecContext::new(Types::new(names.iter().copied()), Budget::default())
    }

    fn decode(json: &str) -> Result<Point, CodecError> {
        codec::decode(Format::Json, json.as_bytes(), &codec_context(&["date", "point"]))
    }

    #[test]
    fn both_ways() {
        let codec_context = codec_context(&["date", "point"]);
        for (format, encoded) in [
            (Format::Json, &br#"[{"__type__": [1, [2, 3]]}]"#[..]),
            (Format::MsgPack, b"\x91\x81\xa8__type__\x92\x01\x92\x02\x03"),
        ] {
            let mut out = Vec::new();
            codec::encode(format, &codec_context, &(Point(2, 3),), &mut out).unwrap();
            assert_eq!(out, encoded);
            assert_eq!(codec::decode(format, encoded, &codec_context), Ok((Point(2, 3),)));
        }
    }

    #[test]
    fn other_entries_are_dropped() {
        for json in [
            r#"{"a": {"b": []}, "__type__": [1, [2, 3]]}"#,
            r#"{"__type__": [1, [2, 3]], "\ud800": 1}"#,
            r#"{"__type__": [1, [0, 0]], "__type__": [1, [2, 3]]}"#,
        ] {
            assert_eq!(decode(json), Ok(Point(2, 3)), "{json}");
        }
        let codec_context = codec_context(&["point"]);
        let msgpack = b"\x85\x01\x02\xc0\x02\x91\x01\x02\xa8__type__\x92\x00\x92\x02\x03\x80\x01";
        assert_eq!(codec::decode(Format::MsgPack, msgpack, &codec_context), Ok(Point(2, 3)));
    }

    #[test]
    fn errors() {
        let unregistered =
            codec::encode(Format::Json, &codec_context(&["date"]), &[Point(1, 2)], &mut Vec::new());
        assert_eq!(unregistered, Err(CodecError::UnregisteredType { name: "point".into() }));
        // The id is checked before the data.
        assert_eq!(
            decode(r#"{"__type__": [2, "what"]}"#),
            Err(CodecError::UnknownTypeId { id: 2 })
        );
        let msgpack = b"\x81\xa8__type__\x92\x02\x03";
        assert_eq!(
            codec::decode::<Point>(Format::MsgPack, msgpack, &codec_context(&["point"])),
            Err(CodecError::UnknownTypeId { id: 2 })
        );
        for (json, text) in [
            (r#"{"__type__": [0, 1]}"#, "expected a value of type \"point\", got type \"date\""),
            ("{}", "expected a value of type \"point\", got a map"),
            ("5", "expected a value of type \"point\""),
            (r#"{"__type__": [1]}"#, "expected [type id, data]"),
            (r#"{"__type__": [1, [2, 3], 4]}"#, "expected [type id, data]"),
            (r#"{"__type__": ["1", [2, 3]]}"#, "expected u64"),
            (r#"{"__type__": 1}"#, "expected [type id, data]"),
        ] {
            let error = decode(json).unwrap_err().to_string();
            assert!(error.contains(text), "{json}: {error}");
        }
    }
}
