//! Serializer of JSON, byte for byte what Python's `json.dumps` writes.

use std::fmt;
use std::io::Write;

use bytes::BufMut;
use serde::Serialize;
use serde::ser;

use super::super::super::typed::{KEY, OWN_KEY};
use super::super::super::{Budget, CodecError, buffer_pool};
use super::super::compound::compound_traits;
use super::super::meter::Meter;
use super::super::{Format, reserved};
use super::lex::plain;
use super::number::{write_float, write_u64};
use super::{INTEGER, SURROGATES, from_hex, text};

#[derive(Debug)]
pub(super) struct Serializer<'o> {
    out: &'o mut Vec<u8>,
    meter: Meter,
    /// `true` if the type of a typed value has just written the key itself.
    own_key: bool,
}

impl<'o> Serializer<'o> {
    pub(super) const fn new(out: &'o mut Vec<u8>, budget: Budget) -> Self {
        Self { out, meter: Meter::new(budget), own_key: false }
    }

    #[inline]
    fn open(&mut self, bracket: u8) -> Result<(), CodecError> {
        self.meter.descend()?;
        self.out.push(bracket);
        Ok(())
    }

    #[inline]
    fn close(&mut self, bracket: u8) {
        self.meter.ascend();
        self.out.push(bracket);
    }

    /// Begins `{"variant": `.
    fn open_variant(&mut self, variant: &str) -> Result<(), CodecError> {
        self.open(b'{')?;
        self.write_str(variant);
        self.out.put_slice(b": ");
        Ok(())
    }

    #[inline]
    fn compound(&mut self, open: u8, close: u8) -> Result<Compound<'_, 'o>, CodecError> {
        self.open(open)?;
        Ok(Compound { json: self, first: true, close, variant: false, reserved: false })
    }

    #[inline]
    fn write_str(&mut self, text: &str) {
        buffer_pool::reserve(self.out, text.len());
        self.out.push(b'"');
        self.write_text(text);
        self.out.push(b'"');
    }

    /// Writes the path of the function `name` in the service at `service`.
    #[inline]
    pub(super) fn write_path(&mut self, service: &str, name: &str) {
        self.out.push(b'"');
        self.write_text(service);
        self.out.push(b'/');
        self.write_text(name);
        self.out.push(b'"');
    }

    /// Writes the content of a string.
    #[inline]
    fn write_text(&mut self, text: &str) {
        match plain::<true>(text.as_bytes()) {
            all if all == text.len() => self.out.extend_from_slice(text.as_bytes()),
            _ => self.write_escaped(text),
        }
    }

    fn write_escaped(&mut self, text: &str) {
        let mut rest = text;
        loop {
            let (ascii, special) = rest.split_at(plain::<true>(rest.as_bytes()));
            self.out.put_slice(ascii.as_bytes());
            let mut chars = special.chars();
            match chars.next() {
                Some(char) => self.write_escape(char),
                None => break,
            }
            rest = chars.as_str();
        }
    }

    fn write_escape(&mut self, char: char) {
        let short = match char {
            '"' | '\\' => char as u8,
            '\u{8}' => b'b',
            '\u{c}' => b'f',
            '\n' => b'n',
            '\r' => b'r',
            '\t' => b't',
            _ => {
                for unit in char.encode_utf16(&mut [0; 2]) {
                    self.write_unit(*unit);
                }
                return;
            }
        };
        self.out.put_slice(&[b'\\', short]);
    }

    fn write_unit(&mut self, unit: u16) {
        self.out.put_slice(b"\\u");
        for shift in [12, 8, 4, 0] {
            self.out.push(b"0123456789abcdef"[usize::from(unit >> shift & 0xf)]);
        }
    }

    fn write_surrogates(&mut self, units: &[u16]) {
        self.out.push(b'"');
        for char in char::decode_utf16(units.iter().copied()) {
            match char {
                Ok(char @ (' '..='!' | '#'..='[' | ']'..='~')) => self.out.push(char as u8),
                Ok(char) => self.write_escape(char),
                Err(lone) => self.write_unit(lone.unpaired_surrogate()),
            }
        }
        self.out.push(b'"');
    }

    fn write_display(&mut self, value: impl fmt::Display) -> Result<(), CodecError> {
        write!(self.out, "{value}").map_err(ser::Error::custom)
    }
}

macro_rules! integers {
    ($($method:ident($type:ty) $forward:ident;)*) => {
        $(
            #[inline]
            fn $method(self, value: $type) -> Result<(), CodecError> {
                self.$forward(value.into())
            }
        )*
    };
}

impl<'a, 'o> ser::Serializer for &'a mut Serializer<'o> {
    type Ok = ();
    type Error = CodecError;
    type SerializeSeq = Compound<'a, 'o>;
    type SerializeTuple = Compound<'a, 'o>;
    type SerializeTupleStruct = Compound<'a, 'o>;
    type SerializeTupleVariant = Compound<'a, 'o>;
    type SerializeMap = Compound<'a, 'o>;
    type SerializeStruct = Compound<'a, 'o>;
    type SerializeStructVariant = Compound<'a, 'o>;

    integers! {
        serialize_i8(i8) serialize_i64;
        serialize_i16(i16) serialize_i64;
        serialize_i32(i32) serialize_i64;
        serialize_u8(u8) serialize_u64;
        serialize_u16(u16) serialize_u64;
        serialize_u32(u32) serialize_u64;
        serialize_f32(f32) serialize_f64;
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<(), CodecError> {
        self.out.put_slice(if value { b"true" } else { b"false" });
        Ok(())
    }

    #[inline]
    fn serialize_i64(self, value: i64) -> Result<(), CodecError> {
        if value < 0 {
            self.out.push(b'-');
        }
        write_u64(value.unsigned_abs(), self.out);
        Ok(())
    }

    #[inline]
    fn serialize_u64(self, value: u64) -> Result<(), CodecError> {
        write_u64(value, self.out);
        Ok(())
    }

    fn serialize_i128(self, value: i128) -> Result<(), CodecError> {
        self.write_display(value)
    }

    fn serialize_u128(self, value: u128) -> Result<(), CodecError> {
        self.write_display(value)
    }

    fn serialize_f64(self, value: f64) -> Result<(), CodecError> {
        write_float(value, self.out)
    }

    fn serialize_char(self, value: char) -> Result<(), CodecError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), CodecError> {
        self.write_str(value);
        Ok(())
    }

    fn serialize_bytes(self, _value: &[u8]) -> Result<(), CodecError> {
        Err(CodecError::Value(
            "bytes cannot be written in JSON; connect with the codec MsgPack (`Codec::MsgPack`), or send text (Base64) \
             or a list of numbers (`Vec<u8>` without `serde_bytes`)"
                .into(),
        ))
    }

    #[inline]
    fn serialize_none(self) -> Result<(), CodecError> {
        self.serialize_unit()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), CodecError> {
        value.serialize(self)
    }

    #[inline]
    fn serialize_unit(self) -> Result<(), CodecError> {
        self.out.put_slice(b"null");
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), CodecError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), CodecError> {
        self.serialize_str(variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<(), CodecError> {
        match name {
            INTEGER => self.write_display(text(value)?),
            SURROGATES => {
                self.write_surrogates(&from_hex(&text(value)?));
                Ok(())
            }
            OWN_KEY => {
                self.own_key = true;
                value.serialize(self)
            }
            _ => value.serialize(self),
        }
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), CodecError> {
        self.open_variant(variant)?;
        value.serialize(&mut *self)?;
        self.close(b'}');
        Ok(())
    }

    #[inline]
    fn serialize_seq(self, _len: Option<usize>) -> Result<Self::SerializeSeq, CodecError> {
        self.compound(b'[', b']')
    }

    #[inline]
    fn serialize_tuple(self, _len: usize) -> Result<Self::SerializeTuple, CodecError> {
        self.compound(b'[', b']')
    }

    #[inline]
    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeTupleStruct, CodecError> {
        self.compound(b'[', b']')
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeTupleVariant, CodecError> {
        self.open_variant(variant)?;
        Ok(Compound { variant: true, ..self.compound(b'[', b']')? })
    }

    #[inline]
    fn serialize_map(self, _len: Option<usize>) -> Result<Self::SerializeMap, CodecError> {
        self.compound(b'{', b'}')
    }

    #[inline]
    fn serialize_struct(
        self,
        _name: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeStruct, CodecError> {
        self.compound(b'{', b'}')
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Self::SerializeStructVariant, CodecError> {
        self.open_variant(variant)?;
        Ok(Compound { variant: true, ..self.compound(b'{', b'}')? })
    }
}

/// An array or map being written.
#[derive(Debug)]
pub(super) struct Compound<'a, 'o> {
    json: &'a mut Serializer<'o>,
    first: bool,
    close: u8,
    /// `true` if an enclosing brace must be closed as well.
    variant: bool,
    /// `true` if the key was [`KEY`], but not written by the value's own type.
    reserved: bool,
}

/// [`KEY`] in JSON.
const WRITTEN_KEY: &[u8] = b"\"__type__\"";

impl Compound<'_, '_> {
    #[inline]
    fn comma(&mut self) {
        if !std::mem::replace(&mut self.first, false) {
            self.json.out.put_slice(b", ");
        }
    }

    #[inline]
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
        self.comma();
        value.serialize(&mut *self.json)
    }

    /// Writes a key. Like `json.dumps`, turns a number, a boolean or null into a string.
    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), CodecError> {
        self.comma();
        let start = self.json.out.len();
        key.serialize(&mut *self.json)?;
        match self.json.out.get(start) {
            Some(b'"') => {
                if &self.json.out[start..] == WRITTEN_KEY {
                    self.reserved = !std::mem::take(&mut self.json.own_key);
                }
                Ok(())
            }
            None | Some(b'[' | b'{') => {
                Err(CodecError::Value("an array or map cannot be a map's key in JSON".into()))
            }
            Some(_) => {
                self.json.out.put_slice(b"\"\"");
                let end = self.json.out.len() - 1;
                self.json.out[start..end].rotate_right(1);
                Ok(())
            }
        }
    }

    #[inline]
    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
        self.json.out.put_slice(b": ");
        if std::mem::take(&mut self.reserved) {
            return self.reserved_value(value);
        }
        value.serialize(&mut *self.json)
    }

    #[cold]
    fn reserved_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
        let start = self.json.out.len();
        value.serialize(&mut *self.json)?;
        reserved::check(Format::Json, &self.json.out[start..])
    }

    #[inline]
    fn field<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), CodecError> {
        self.comma();
        self.json.write_str(key);
        self.reserved = key == KEY;
        self.value(value)
    }

    #[inline]
    fn finish(self) -> Result<(), CodecError> {
        self.json.close(self.close);
        if self.variant {
            self.json.close(b'}');
        }
        Ok(())
    }
}

compound_traits!(Compound);
