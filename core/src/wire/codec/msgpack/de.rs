//! Deserializer of MsgPack.
//!
//! The deserializer of rmp-serde trusts announced lengths, recurses as deep as the data, wraps negative integers into a
//! `u128`, and does not locate errors.

use serde::de::value::{
    BorrowedBytesDeserializer, BorrowedStrDeserializer, MapAccessDeserializer, SeqDeserializer,
};
use serde::de::{self, DeserializeSeed, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::super::super::{Budget, CodecError, Reading};
use super::super::Format;
use super::super::entries::Entries;
use super::super::item::Item;
use super::super::meter::Meter;
use super::EXTENSION;
use super::read::{Head, Integer, Reader};

#[derive(Debug)]
pub(super) struct Deserializer<'de> {
    reader: Reader<'de>,
    meter: Meter,
    reading: Reading,
}

impl<'de> Deserializer<'de> {
    #[inline]
    pub(super) const fn new(bytes: &'de [u8], budget: Budget, reading: Reading) -> Self {
        Self { reader: Reader::new(bytes, 0), meter: Meter::new(budget), reading }
    }

    /// Checks that no bytes follow.
    #[inline]
    pub(super) fn end(&self) -> Result<(), CodecError> {
        self.reader.end()
    }

    /// Returns the number of bytes read.
    pub(super) const fn position(&self) -> usize {
        self.reader.at
    }

    /// Reads a value that has been counted.
    fn value<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, CodecError> {
        let reader = &mut self.reader;
        match reader.marker()? {
            0xc0 => {
                reader.at += 1;
                visitor.visit_unit()
            }
            marker @ (0xc2 | 0xc3) => {
                reader.at += 1;
                visitor.visit_bool(marker == 0xc3)
            }
            0xca => visitor.visit_f32(f32::from_be_bytes(reader.number()?)),
            0xcb => visitor.visit_f64(f64::from_be_bytes(reader.number()?)),
            0x00..=0x7f | 0xcc..=0xd3 | 0xe0..=0xff => self.integer(visitor),
            _ => {
                let head = reader.head()?;
                match head.item {
                    Item::Array => self.array(head, visitor),
                    Item::Map => self.map(head, visitor),
                    Item::Str => self.text(head, visitor),
                    Item::Bytes => visitor.visit_borrowed_bytes(reader.body(head)),
                    _ => visitor.visit_newtype_struct(Ext::new(reader.body(head))),
                }
            }
        }
    }

    /// Reads an integer that has been counted.
    #[inline(always)]
    fn integer<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, CodecError> {
        match self.reader.marker()? {
            number @ 0..=0x7f => {
                self.reader.at += 1;
                visitor.visit_u64(number.into())
            }
            _ => self.other_integer(visitor),
        }
    }

    /// Reads an integer that is not a small natural number.
    #[inline(never)]
    fn other_integer<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, CodecError> {
        match self.reader.marker()? {
            number @ 0xe0..=0xff => {
                self.reader.at += 1;
                visitor.visit_i64(i64::from(number as i8))
            }
            0xcc..=0xd3 => match self.reader.long_integer()? {
                Integer::Unsigned(number) => visitor.visit_u64(number),
                Integer::Signed(number) => visitor.visit_i64(number),
            },
            _ => self.other(visitor),
        }
    }

    /// Reads a value of another kind than the caller expects.
    #[cold]
    fn other<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, CodecError> {
        self.value(visitor)
    }

    /// Reads a value of another kind than a sequence. Bytes are accepted as a sequence.
    #[cold]
    fn elements<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, CodecError> {
        match self.reader.head()? {
            head if head.item == Item::Bytes => {
                let bytes = self.reader.body(head).iter().copied();
                de::Deserializer::deserialize_any(SeqDeserializer::new(bytes), visitor)
            }
            _ => self.value(visitor),
        }
    }

    #[inline]
    fn text<V: Visitor<'de>>(&mut self, head: Head, visitor: V) -> Result<V::Value, CodecError> {
        visitor.visit_borrowed_str(self.reader.text(head)?)
    }

    #[inline(always)]
    fn array<V: Visitor<'de>>(&mut self, head: Head, visitor: V) -> Result<V::Value, CodecError> {
        self.inside(head, |inside| visitor.visit_seq(inside))
    }

    #[inline(always)]
    fn map<V: Visitor<'de>>(&mut self, head: Head, visitor: V) -> Result<V::Value, CodecError> {
        if self.reading.last_wins {
            return self.last_entries(visitor);
        }
        self.inside(head, |inside| visitor.visit_map(inside))
    }

    /// Reads a map; of equal keys, the last one counts.
    #[cold]
    fn last_entries<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, CodecError> {
        let (bytes, at) = (self.reader.bytes(), self.reader.at);
        let entries = Entries::find(Format::MsgPack, bytes, at, &mut self.meter)?;
        let end = entries.end;
        self.meter.descend()?;
        let mut inside = LastEntries { msgpack: self, entries: entries.entries, value: 0 };
        let result = visitor.visit_map(&mut inside)?;
        if inside.entries.len() > 0 {
            return Err(CodecError::custom("more elements than expected"));
        }
        self.meter.ascend();
        self.reader.at = end;
        Ok(result)
    }

    /// Runs `visit` on the inside of the array or map that `head` begins.
    #[inline(always)]
    fn inside<R>(
        &mut self,
        head: Head,
        visit: impl FnOnce(&mut Inside<'_, 'de>) -> Result<R, CodecError>,
    ) -> Result<R, CodecError> {
        self.meter.enter(head.item)?;
        self.reader.at = head.body;
        let mut inside = Inside { msgpack: self, left: head.len };
        let result = visit(&mut inside)?;
        if inside.left > 0 {
            return Err(CodecError::custom("more elements than expected"));
        }
        self.meter.ascend();
        Ok(result)
    }
}

/// Methods that read one kind of value, and pass others to `$other`.
macro_rules! expect {
    ($($item:ident $read:ident $other:ident: $($method:ident($($name:ident: $type:ty),*))*;)*) => {
        $($(
            #[inline]
            fn $method<V: Visitor<'de>>(
                self,
                $($name: $type,)*
                visitor: V,
            ) -> Result<V::Value, CodecError> {
                self.meter.node()?;
                let head = self.reader.head()?;
                if head.item == Item::$item { self.$read(head, visitor) } else { self.$other(visitor) }
            }
        )*)*
    };
}

macro_rules! integers {
    ($($method:ident)*) => {
        $(
            #[inline]
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
                self.meter.node()?;
                self.integer(visitor)
            }
        )*
    };
}

impl<'de> de::Deserializer<'de> for &mut Deserializer<'de> {
    type Error = CodecError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        self.meter.node()?;
        self.value(visitor)
    }

    integers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128
    }

    expect! {
        Str text other: deserialize_str() deserialize_string() deserialize_identifier();
        Map map other: deserialize_map();
        Map map elements:
            deserialize_struct(_name: &'static str, _fields: &'static [&'static str]);
        Array array elements:
            deserialize_seq() deserialize_tuple(_len: usize)
            deserialize_tuple_struct(_name: &'static str, _len: usize);
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        if self.reader.marker()? != 0xc0 {
            return visitor.visit_some(self);
        }
        self.meter.node()?;
        self.reader.at += 1;
        visitor.visit_none()
    }

    /// Accepts an empty array as well, as rmp-serde writes it.
    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        self.meter.node()?;
        match self.reader.marker()? {
            0x90 => {
                self.reader.at += 1;
                visitor.visit_unit()
            }
            _ => self.value(visitor),
        }
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        if name == EXTENSION {
            self.deserialize_any(visitor)
        } else {
            visitor.visit_newtype_struct(self)
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        self.meter.node()?;
        let head = self.reader.head()?;
        match head.item {
            Item::Str => visitor.visit_enum(BorrowedStrDeserializer::new(self.reader.text(head)?)),
            Item::Map => {
                self.inside(head, |inside| visitor.visit_enum(MapAccessDeserializer::new(inside)))
            }
            _ => self.value(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        self.reader.skip(&mut self.meter)?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { bool f32 f64 char bytes byte_buf unit }
}

/// The inside of an array or map.
#[derive(Debug)]
struct Inside<'a, 'de> {
    msgpack: &'a mut Deserializer<'de>,
    /// The number of elements or entries left. At least as many bytes follow.
    left: usize,
}

impl<'de> SeqAccess<'de> for &mut Inside<'_, 'de> {
    type Error = CodecError;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, CodecError> {
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                seed.deserialize(&mut *self.msgpack).map(Some)
            }
            None => Ok(None),
        }
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

impl<'de> MapAccess<'de> for &mut Inside<'_, 'de> {
    type Error = CodecError;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, CodecError> {
        self.next_element_seed(seed)
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, CodecError> {
        seed.deserialize(&mut *self.msgpack)
    }

    #[inline]
    fn size_hint(&self) -> Option<usize> {
        Some(self.left)
    }
}

/// The inside of a map in which the last of equal keys counts.
#[derive(Debug)]
struct LastEntries<'a, 'de> {
    msgpack: &'a mut Deserializer<'de>,
    entries: std::vec::IntoIter<(usize, usize)>,
    /// The position of the value of the last key.
    value: usize,
}

impl<'de> MapAccess<'de> for &mut LastEntries<'_, 'de> {
    type Error = CodecError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, CodecError> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        self.value = value;
        self.msgpack.reader.at = key;
        seed.deserialize(&mut *self.msgpack).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, CodecError> {
        self.msgpack.reader.at = self.value;
        seed.deserialize(&mut *self.msgpack)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.entries.len())
    }
}

/// An extension as visitors see it: its tag, then its data.
#[derive(Debug)]
struct Ext<'de> {
    tag: Option<i8>,
    data: Option<&'de [u8]>,
}

impl<'de> Ext<'de> {
    fn new(body: &'de [u8]) -> Self {
        let (tag, data) = body.split_first().unwrap_or((&0, &[]));
        Self { tag: Some(*tag as i8), data: Some(data) }
    }
}

impl<'de> de::Deserializer<'de> for Ext<'de> {
    type Error = CodecError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        visitor.visit_seq(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> SeqAccess<'de> for Ext<'de> {
    type Error = CodecError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, CodecError> {
        if let Some(tag) = self.tag.take() {
            return seed.deserialize(tag.into_deserializer()).map(Some);
        }
        match self.data.take() {
            Some(data) => seed.deserialize(BorrowedBytesDeserializer::new(data)).map(Some),
            None => Ok(None),
        }
    }
}
