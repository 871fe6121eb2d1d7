use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::super::typed::{self, Pair};
use super::{Integer, Value};

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

/// Reads an integer of any size, also from data that serde buffers (`untagged` and similar).
///
/// In buffered data, serde holds at most 64 bits.
impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(IntegerVisitor)
    }
}

struct IntegerVisitor;

macro_rules! into_integer {
    ($($method:ident($type:ty))*) => {
        $(
            fn $method<E>(self, number: $type) -> Result<Integer, E> {
                Ok(number.into())
            }
        )*
    };
}

impl<'de> Visitor<'de> for IntegerVisitor {
    type Value = Integer;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer")
    }

    into_integer! { visit_i64(i64) visit_i128(i128) visit_u64(u64) visit_u128(u128) }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, special: D) -> Result<Integer, D::Error> {
        match special.deserialize_any(SpecialVisitor)? {
            Value::Int(ref number) => Ok(number.clone()),
            _ => Err(D::Error::custom("not an integer")),
        }
    }
}

struct ValueVisitor;

macro_rules! into {
    ($($method:ident($type:ty))*) => {
        $(
            fn $method<E>(self, value: $type) -> Result<Value, E> {
                Ok(value.into())
            }
        )*
    };
}

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    into! {
        visit_bool(bool) visit_i64(i64) visit_i128(i128) visit_u64(u64) visit_u128(u128)
        visit_f64(f64) visit_str(&str) visit_string(String) visit_bytes(&[u8])
        visit_byte_buf(Vec<u8>)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, special: D) -> Result<Value, D::Error> {
        special.deserialize_any(SpecialVisitor)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(AT_ONCE));
        while let Some(item) = seq.next_element()? {
            make_room(&mut items, seq.size_hint());
            items.push(item);
        }
        items.shrink_to_fit();
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::with_capacity(map.size_hint().unwrap_or(0).min(AT_ONCE));
        let mut typed = None;
        while let Some(key) = map.next_key::<Value>()? {
            if key.as_str() == Some(typed::KEY) {
                typed = Some(map.next_value_seed(Pair { name: None, data: PhantomData })?);
            } else if has_map(&key) {
                return Err(A::Error::custom("a map's key cannot be or contain a map"));
            } else {
                let value = map.next_value()?;
                make_room(&mut entries, map.size_hint());
                entries.push((key, value));
            }
        }
        entries.shrink_to_fit();
        Ok(match typed {
            Some((id, data)) => Value::Typed { id, data },
            None => Value::from_entries(entries),
        })
    }
}

/// The most elements for which memory is reserved before they are read.
const AT_ONCE: usize = 1024;

/// Makes room for one more element, which `left` others follow.
///
/// The allocation doubles, but never exceeds the need.
fn make_room<T>(items: &mut Vec<T>, left: Option<usize>) {
    if let Some(left) = left
        && items.len() == items.capacity()
    {
        items.reserve_exact(items.len().max(AT_ONCE).min(left + 1));
    }
}

/// Returns `true` if the key contains a map, so that Python could not hash it.
fn has_map(key: &Value) -> bool {
    match key {
        Value::Map(_) => true,
        Value::List(items) => items.iter().any(has_map),
        _ => false,
    }
}

/// Reads the newtype structs of this crate's codecs.
///
/// A string is a big integer, bytes are a string with surrogates in UTF-16 (big endian), and a sequence is the tag and
/// the data of an extension.
struct SpecialVisitor;

impl<'de> Visitor<'de> for SpecialVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a long integer, a string with surrogates or an extension")
    }

    fn visit_str<E: Error>(self, digits: &str) -> Result<Value, E> {
        digits.parse().map(Value::Int).map_err(E::custom)
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Value, E> {
        let units = bytes.chunks_exact(2).map(|unit| u16::from_be_bytes([unit[0], unit[1]]));
        Ok(Value::Surrogates(units.collect()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let tag = seq.next_element()?.ok_or_else(|| A::Error::invalid_length(0, &self))?;
        match seq.next_element()? {
            Some(Value::Bytes(ref bytes)) => Ok(Value::Ext(tag, bytes.clone())),
            _ => Err(A::Error::invalid_length(1, &self)),
        }
    }
}
