//! Deserializer of JSON as Python's `json.loads` reads it.

use std::borrow::Cow;

use serde::de::value::{BytesDeserializer, MapAccessDeserializer};
use serde::de::{self, DeserializeSeed, Error, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::super::super::{Budget, CodecError, Reading};
use super::super::Format;
use super::super::entries::Entries;
use super::super::item::Item;
use super::super::meter::Meter;
use super::lex::{Lexer, Number, is_word};
use super::quoted::{LONE_SURROGATE, Quoted, Text};
use super::visit::{visit_float, visit_i128, visit_integer, visit_number, visit_text, visit_u128};
use super::walk;

#[derive(Debug)]
pub(super) struct Deserializer<'de> {
    lexer: Lexer<'de>,
    meter: Meter,
    reading: Reading,
}

impl<'de> Deserializer<'de> {
    pub(super) const fn new(bytes: &'de [u8], budget: Budget, reading: Reading) -> Self {
        Self { lexer: Lexer::new(bytes, 0), meter: Meter::new(budget), reading }
    }

    /// Checks that no bytes follow.
    pub(super) fn end(&mut self) -> Result<(), CodecError> {
        self.lexer.end()
    }

    /// Returns the number of bytes read.
    pub(super) const fn position(&self) -> usize {
        self.lexer.at
    }

    #[inline(never)]
    fn long_number<V: Visitor<'de>>(
        &mut self,
        visitor: V,
        visit: impl FnOnce(Number<'de>, V) -> Result<V::Value, CodecError>,
    ) -> Result<V::Value, CodecError> {
        visit(self.lexer.number()?, visitor)
    }

    /// Reads a value of another kind than the caller expects.
    #[cold]
    fn other<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, CodecError> {
        de::Deserializer::deserialize_any(self, visitor)
    }

    #[inline]
    fn array<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, CodecError> {
        self.inside(Item::Array, |inside| visitor.visit_seq(inside))
    }

    #[inline]
    fn map<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, CodecError> {
        self.entries(visitor, self.reading.word_keys)
    }

    #[inline]
    fn fields<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, CodecError> {
        self.entries(visitor, false)
    }

    #[inline]
    fn entries<V: Visitor<'de>>(
        &mut self,
        visitor: V,
        words: bool,
    ) -> Result<V::Value, CodecError> {
        if self.reading.last_wins {
            return self.last_entries(visitor, words);
        }
        self.inside(Item::Map, |inside| {
            inside.words = words;
            visitor.visit_map(inside)
        })
    }

    /// Reads a map at its bracket; of equal keys, the last one counts.
    #[cold]
    fn last_entries<V: Visitor<'de>>(
        &mut self,
        visitor: V,
        words: bool,
    ) -> Result<V::Value, CodecError> {
        let (bytes, at) = (self.lexer.bytes(), self.lexer.at);
        let entries = Entries::find(Format::Json, bytes, at, &mut self.meter)?;
        let end = entries.end;
        self.meter.descend()?;
        let mut inside = LastEntries { json: self, entries: entries.entries, value: 0, words };
        let result = visitor.visit_map(&mut inside)?;
        if inside.entries.len() > 0 {
            return Err(CodecError::custom("more elements than expected"));
        }
        self.meter.ascend();
        self.lexer.at = end;
        Ok(result)
    }

    /// Runs `visit` on the inside of the array or map at the current bracket.
    #[inline]
    fn inside<R>(
        &mut self,
        item: Item,
        visit: impl FnOnce(&mut Inside<'_, 'de>) -> Result<R, CodecError>,
    ) -> Result<R, CodecError> {
        self.lexer.at += 1;
        self.meter.enter(item)?;
        let mut inside = Inside { json: self, item, words: false, first: true, ended: false };
        let result = visit(&mut inside)?;
        if inside.next()? {
            return Err(CodecError::custom("more elements than expected"));
        }
        self.meter.ascend();
        Ok(result)
    }

    fn text(&mut self) -> Result<Cow<'de, str>, CodecError> {
        decoded(self.lexer.string()?)
    }
}

fn decoded(quoted: Quoted<'_>) -> Result<Cow<'_, str>, CodecError> {
    match quoted.text() {
        Text::Str(text) => Ok(text),
        Text::Surrogates(_) => Err(CodecError::custom(LONE_SURROGATE)),
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident;)*) => {
        $(
            #[inline]
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
                match self.lexer.expect()? {
                    b'-' | b'0'..=b'9' => {
                        self.meter.node()?;
                        match self.lexer.natural() {
                            Some(number) => visitor.visit_u64(number),
                            None => self.long_number(visitor, $visit),
                        }
                    }
                    _ => self.other(visitor),
                }
            }
        )*
    };
}

/// Methods that read an array or map, and pass other kinds to [`other`](Deserializer::other).
macro_rules! compounds {
    ($($bracket:literal $read:ident: $($method:ident($($name:ident: $type:ty),*))*;)*) => {
        $($(
            #[inline]
            fn $method<V: Visitor<'de>>(
                self,
                $($name: $type,)*
                visitor: V,
            ) -> Result<V::Value, CodecError> {
                if self.lexer.expect()? != $bracket {
                    return self.other(visitor);
                }
                self.meter.node()?;
                self.$read(visitor)
            }
        )*)*
    };
}

macro_rules! strings {
    ($($method:ident)*) => {
        $(
            #[inline]
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
                if self.lexer.expect()? != b'"' {
                    return self.other(visitor);
                }
                self.meter.node()?;
                let quoted = self.lexer.string()?;
                match quoted.as_str() {
                    Some(text) => visitor.visit_borrowed_str(text),
                    None => visit_text(decoded(quoted)?, visitor),
                }
            }
        )*
    };
}

impl<'de> de::Deserializer<'de> for &mut Deserializer<'de> {
    type Error = CodecError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        self.meter.node()?;
        match self.lexer.expect()? {
            b'[' => self.array(visitor),
            b'{' => self.map(visitor),
            b'"' => match self.lexer.string()?.text() {
                Text::Str(text) => visit_text(text, visitor),
                Text::Surrogates(units) => {
                    let bytes: Vec<u8> = units.into_iter().flat_map(u16::to_be_bytes).collect();
                    visitor.visit_newtype_struct(BytesDeserializer::new(&bytes))
                }
            },
            b'n' => {
                self.lexer.word("null")?;
                visitor.visit_unit()
            }
            b't' => {
                self.lexer.word("true")?;
                visitor.visit_bool(true)
            }
            b'f' => {
                self.lexer.word("false")?;
                visitor.visit_bool(false)
            }
            _ => visit_number(self.lexer.number()?, visitor),
        }
    }

    numbers! {
        deserialize_i8 visit_integer;
        deserialize_i16 visit_integer;
        deserialize_i32 visit_integer;
        deserialize_i64 visit_integer;
        deserialize_i128 visit_i128;
        deserialize_u8 visit_integer;
        deserialize_u16 visit_integer;
        deserialize_u32 visit_integer;
        deserialize_u64 visit_integer;
        deserialize_u128 visit_u128;
        deserialize_f32 visit_float;
        deserialize_f64 visit_float;
    }

    strings! { deserialize_char deserialize_str deserialize_string deserialize_identifier }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        if self.lexer.expect()? != b'n' {
            return visitor.visit_some(self);
        }
        self.meter.node()?;
        self.lexer.word("null")?;
        visitor.visit_none()
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        match self.lexer.expect()? {
            b'"' => {
                self.meter.node()?;
                visitor.visit_enum(self.text()?.into_deserializer())
            }
            b'{' => {
                self.meter.node()?;
                self.inside(Item::Map, |inside| {
                    visitor.visit_enum(MapAccessDeserializer::new(inside))
                })
            }
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        walk::skip(&mut self.lexer, &mut self.meter)?;
        visitor.visit_unit()
    }

    compounds! {
        b'[' array:
            deserialize_seq() deserialize_tuple(_len: usize)
            deserialize_tuple_struct(_name: &'static str, _len: usize);
        b'{' map: deserialize_map();
        b'{' fields: deserialize_struct(_name: &'static str, _fields: &'static [&'static str]);
    }

    forward_to_deserialize_any! { bool bytes byte_buf unit unit_struct }
}

/// The inside of an array or map.
#[derive(Debug)]
struct Inside<'a, 'de> {
    json: &'a mut Deserializer<'de>,
    item: Item,
    /// `true` if keys that look like numbers are read as numbers.
    words: bool,
    first: bool,
    ended: bool,
}

impl Inside<'_, '_> {
    /// Moves to the next element or key. Returns `false` after the last one.
    #[inline]
    fn next(&mut self) -> Result<bool, CodecError> {
        if self.ended {
            return Ok(false);
        }
        let first = std::mem::replace(&mut self.first, false);
        self.ended = !walk::next(&mut self.json.lexer, self.item, first)?;
        Ok(!self.ended)
    }
}

impl<'de> SeqAccess<'de> for &mut Inside<'_, 'de> {
    type Error = CodecError;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, CodecError> {
        if self.next()? { seed.deserialize(&mut *self.json).map(Some) } else { Ok(None) }
    }
}

impl<'de> MapAccess<'de> for &mut Inside<'_, 'de> {
    type Error = CodecError;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, CodecError> {
        if self.next()? {
            seed.deserialize(Key::new(self.json, self.words)).map(Some)
        } else {
            Ok(None)
        }
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, CodecError> {
        walk::colon(&mut self.json.lexer)?;
        seed.deserialize(&mut *self.json)
    }
}

/// The inside of a map in which the last of equal keys counts.
#[derive(Debug)]
struct LastEntries<'a, 'de> {
    json: &'a mut Deserializer<'de>,
    entries: std::vec::IntoIter<(usize, usize)>,
    /// The position of the value of the last key.
    value: usize,
    words: bool,
}

impl<'de> MapAccess<'de> for &mut LastEntries<'_, 'de> {
    type Error = CodecError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, CodecError> {
        let Some((key, value)) = self.entries.next() else { return Ok(None) };
        self.value = value;
        self.json.lexer.at = key;
        seed.deserialize(Key::new(self.json, self.words)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, CodecError> {
        self.json.lexer.at = self.value;
        seed.deserialize(&mut *self.json)
    }
}

/// The key of a map: a string, which [may stand for](super::ser) a number, a boolean or null.
#[derive(Debug)]
struct Key<'a, 'de> {
    json: &'a mut Deserializer<'de>,
    /// `true` if `deserialize_any` reads the key as the number, boolean or null it stands for.
    word: bool,
}

impl<'a, 'de> Key<'a, 'de> {
    #[inline]
    const fn new(json: &'a mut Deserializer<'de>, word: bool) -> Self {
        Self { json, word }
    }

    /// Reads the text between the quotation marks as a number, boolean or null, if possible.
    fn unquoted<V: Visitor<'de>>(
        self,
        visitor: V,
        visit: impl FnOnce(&mut Deserializer<'de>, V) -> Result<V::Value, CodecError>,
    ) -> Result<V::Value, CodecError> {
        let at = self.json.lexer.at;
        match self.json.text()? {
            Cow::Borrowed(text) if is_word(text) => {
                let mut word =
                    Deserializer::new(text.as_bytes(), Budget::new(0, 1), Reading::PLAIN);
                visit(&mut word, visitor).map_err(|error| match error {
                    CodecError::Syntax { what, .. } => CodecError::Syntax { at, what },
                    error => error,
                })
            }
            text => visit_text(text, visitor),
        }
    }
}

macro_rules! unquoted {
    ($($method:ident)*) => {
        $(
            #[inline]
            fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
                self.json.meter.node()?;
                self.unquoted(visitor, |word, visitor| word.$method(visitor))
            }
        )*
    };
}

impl<'de> de::Deserializer<'de> for Key<'_, 'de> {
    type Error = CodecError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        if self.word {
            self.json.meter.node()?;
            return self.unquoted(visitor, |word, visitor| word.deserialize_any(visitor));
        }
        self.json.deserialize_any(visitor)
    }

    unquoted! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_i128 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_u128 deserialize_f32 deserialize_f64 deserialize_unit
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, CodecError> {
        self.json.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        self.json.deserialize_str(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        self.json.deserialize_string(visitor)
    }

    /// Reads the name of a field.
    ///
    /// serde reads the fields of a struct with `flatten` this way, as for the keys of a map, and buffers unknown
    /// fields.
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, CodecError> {
        if self.word {
            return self.deserialize_any(visitor);
        }
        self.json.deserialize_identifier(visitor)
    }

    forward_to_deserialize_any! {
        char bytes byte_buf unit_struct seq tuple tuple_struct map struct ignored_any
    }
}
