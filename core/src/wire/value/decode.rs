//! Deserializer from a [`Value`] to any type, for [`Value::decode`].

use serde::de::value::{
    BorrowedBytesDeserializer, BorrowedStrDeserializer, BytesDeserializer, I8Deserializer,
    MapAccessDeserializer, MapDeserializer, SeqDeserializer, U64Deserializer,
};
use serde::de::{Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::super::{CodecError, typed};
use super::integer::Repr;
use super::{Integer, Value};

impl<'de> IntoDeserializer<'de, CodecError> for &'de Value {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// A building block of values on the wire.
enum Part<'de> {
    Id(u64),
    Tag(i8),
    Data(&'de Value),
    Bytes(&'de [u8]),
}

impl<'de> IntoDeserializer<'de, CodecError> for Part<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Part<'de> {
    type Error = CodecError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        match self {
            Self::Id(id) => U64Deserializer::new(id).deserialize_any(visitor),
            Self::Tag(tag) => I8Deserializer::new(tag).deserialize_any(visitor),
            Self::Data(value) => value.deserialize_any(visitor),
            Self::Bytes(bytes) => BorrowedBytesDeserializer::new(bytes).deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        match self {
            Self::Data(value) => value.deserialize_option(visitor),
            part => visitor.visit_some(part),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        match self {
            Self::Data(value) => value.deserialize_enum(name, variants, visitor),
            part => part.deserialize_any(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        match self {
            Self::Data(value) => value.deserialize_newtype_struct(name, visitor),
            part => visitor.visit_newtype_struct(part),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

fn visit_integer<'de, V: Visitor<'de>>(
    number: &'de Integer,
    visitor: V,
) -> Result<V::Value, CodecError> {
    match number.repr() {
        Repr::Unsigned(number) => visitor.visit_u64(*number),
        Repr::Negative(number) => visitor.visit_i64(*number),
        Repr::Big(digits) => visitor.visit_newtype_struct(BorrowedStrDeserializer::new(digits)),
    }
}

impl<'de> Deserializer<'de> for &'de Value {
    type Error = CodecError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        match self {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Int(number) => visit_integer(number, visitor),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Str(text) => visitor.visit_borrowed_str(text),
            Value::Surrogates(units) => {
                let bytes: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
                visitor.visit_newtype_struct(BytesDeserializer::new(&bytes))
            }
            Value::Bytes(bytes) => visitor.visit_borrowed_bytes(bytes),
            Value::List(items) => SeqDeserializer::new(items.iter()).deserialize_any(visitor),
            Value::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| (key, value));
                MapDeserializer::new(entries).deserialize_any(visitor)
            }
            Value::Typed { id, data } => {
                let pair = [Part::Id(*id), Part::Data(data)].into_iter();
                let entry = (typed::KEY, SeqDeserializer::new(pair));
                MapDeserializer::new(std::iter::once(entry)).deserialize_any(visitor)
            }
            Value::Ext(tag, bytes) => {
                let pair = [Part::Tag(*tag), Part::Bytes(bytes)].into_iter();
                visitor.visit_newtype_struct(SeqDeserializer::new(pair))
            }
        }
    }

    fn deserialize_i128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        match self {
            Value::Int(number) => match number.as_i128() {
                Some(number) => visitor.visit_i128(number),
                None => visit_integer(number, visitor),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_u128<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        match self {
            Value::Int(number) => match number.as_u128() {
                Some(number) => visitor.visit_u128(number),
                None => visit_integer(number, visitor),
            },
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        match self {
            Value::Int(number) => visitor.visit_f64(number.to_f64()),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        match self {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        match self {
            Value::Ext(..) => self.deserialize_any(visitor),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        match self {
            Value::Str(text) => visitor.visit_enum(BorrowedStrDeserializer::new(text)),
            Value::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| (key, value));
                let mut map = MapDeserializer::new(entries);
                let result = visitor.visit_enum(MapAccessDeserializer::new(&mut map))?;
                map.end()?;
                Ok(result)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    /// Accepts bytes as a sequence.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        match self {
            Value::Bytes(bytes) => {
                SeqDeserializer::new(bytes.iter().copied()).deserialize_any(visitor)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 char str string bytes byte_buf unit unit_struct
        tuple tuple_struct map struct identifier ignored_any
    }
}
