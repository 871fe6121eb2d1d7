//! Serializer of MsgPack.
//!
//! The serializer of rmp-serde does not limit the depth, writes integers of 128 bits as bytes, and writes `f32` as
//! such, unlike aiomas. Guarding it would take as much code as replacing it.

use bytes::BufMut;
use serde::Serialize;
use serde::ser;

use super::super::super::typed::{KEY, OWN_KEY};
use super::super::super::{Budget, CodecError, Reading, blob, buffer_pool};
use super::super::compound::compound_traits;
use super::super::meter::Meter;
use super::super::{Format, reserved};
use super::{EXTENSION, json};

#[derive(Debug)]
pub(super) struct Serializer<'o> {
    out: &'o mut Vec<u8>,
    meter: Meter,
    /// `true` if the type of a typed value has just written the key itself.
    own_key: bool,
}

/// The markers of a kind of value, by the width of its length.
struct Markers {
    /// The marker of length 0 with the length inside, and the number of such markers.
    fix: (u8, usize),
    one: Option<u8>,
    two: u8,
    four: u8,
}

const STR: Markers = Markers { fix: (0xa0, 32), one: Some(0xd9), two: 0xda, four: 0xdb };
const BIN: Markers = Markers { fix: (0, 0), one: Some(0xc4), two: 0xc5, four: 0xc6 };
const EXT: Markers = Markers { fix: (0, 0), one: Some(0xc7), two: 0xc8, four: 0xc9 };
const ARRAY: Markers = Markers { fix: (0x90, 16), one: None, two: 0xdc, four: 0xdd };
const MAP: Markers = Markers { fix: (0x80, 16), one: None, two: 0xde, four: 0xdf };

/// The budget of an extension's tag and data.
const PAIR: Budget = Budget::new(1, 5);

impl<'o> Serializer<'o> {
    pub(super) const fn new(out: &'o mut Vec<u8>, budget: Budget) -> Self {
        Self { out, meter: Meter::new(budget), own_key: false }
    }

    #[inline]
    fn write_head(&mut self, markers: &Markers, length: usize) -> Result<(), CodecError> {
        if length < markers.fix.1 {
            self.out.push(markers.fix.0 | length as u8);
            return Ok(());
        }
        self.write_long_head(markers, length)
    }

    #[inline(never)]
    fn write_long_head(&mut self, markers: &Markers, length: usize) -> Result<(), CodecError> {
        match (u8::try_from(length), markers.one) {
            (Ok(length), Some(marker)) => self.out.put_slice(&[marker, length]),
            _ => match u16::try_from(length) {
                Ok(length) => {
                    self.out.put_u8(markers.two);
                    self.out.put_u16(length);
                }
                Err(_) => {
                    self.out.put_u8(markers.four);
                    self.out.put_u32(u32::try_from(length).map_err(|_| too_long())?);
                }
            },
        }
        Ok(())
    }

    #[inline]
    fn write_bytes(&mut self, bytes: &[u8]) {
        buffer_pool::reserve(self.out, bytes.len());
        self.out.put_slice(bytes);
    }

    fn write_ext(&mut self, tag: i8, data: &[u8]) -> Result<(), CodecError> {
        match data.len() {
            length @ (1 | 2 | 4 | 8 | 16) => self.out.put_u8(0xd4 + length.trailing_zeros() as u8),
            length => self.write_head(&EXT, length)?,
        }
        self.out.put_i8(tag);
        self.out.put_slice(data);
        Ok(())
    }

    /// Writes the path of the function `name` in the service at `service`.
    #[inline]
    pub(super) fn write_path(&mut self, service: &str, name: &str) -> Result<(), CodecError> {
        self.write_head(&STR, service.len() + 1 + name.len())?;
        self.out.extend_from_slice(service.as_bytes());
        self.out.push(b'/');
        self.out.extend_from_slice(name.as_bytes());
        Ok(())
    }

    /// Begins `{"variant": `.
    fn open_variant(&mut self, variant: &str) -> Result<(), CodecError> {
        self.meter.descend()?;
        self.write_head(&MAP, 1)?;
        ser::Serializer::serialize_str(&mut *self, variant)
    }

    #[inline]
    fn compound(
        &mut self,
        markers: &'static Markers,
        length: Option<usize>,
    ) -> Result<Compound<'_, 'o>, CodecError> {
        self.meter.descend()?;
        let unknown = match length {
            Some(length) => {
                self.write_head(markers, length)?;
                None
            }
            None => Some((markers, self.out.len())),
        };
        Ok(Compound { msgpack: self, unknown, count: 0, levels: 1, reserved: false })
    }
}

/// Writes `number` in its shortest form.
#[inline]
pub(in super::super::super) fn write_u64(number: u64, out: &mut Vec<u8>) {
    match number {
        0..0x80 => out.push(number as u8),
        _ => write_long(number, out),
    }
}

#[inline(never)]
fn write_long(number: u64, out: &mut Vec<u8>) {
    match number {
        0..0x100 => out.put_slice(&[0xcc, number as u8]),
        0x100..0x1_0000 => {
            let [a, b] = (number as u16).to_be_bytes();
            out.extend_from_slice(&[0xcd, a, b]);
        }
        0x1_0000..0x1_0000_0000 => {
            let [a, b, c, d] = (number as u32).to_be_bytes();
            out.extend_from_slice(&[0xce, a, b, c, d]);
        }
        0x1_0000_0000.. => {
            out.put_u8(0xcf);
            out.put_u64(number);
        }
    }
}

/// Writes a number below -32 in its shortest form.
#[inline(never)]
fn write_negative(number: i64, out: &mut Vec<u8>) {
    match number {
        -0x80.. => out.put_slice(&[0xd0, number as u8]),
        -0x8000.. => {
            out.put_u8(0xd1);
            out.put_i16(number as i16);
        }
        -0x8000_0000.. => {
            out.put_u8(0xd2);
            out.put_i32(number as i32);
        }
        _ => {
            out.put_u8(0xd3);
            out.put_i64(number);
        }
    }
}

#[cold]
fn too_long() -> CodecError {
    CodecError::Value(
        "more than 2\u{b3}\u{b2} bytes or elements cannot be written in MsgPack".into(),
    )
}

#[cold]
fn too_big() -> CodecError {
    CodecError::Value("an integer of more than 64 bits cannot be written in MsgPack".into())
}

macro_rules! forward {
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

    forward! {
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
        self.out.push(if value { 0xc3 } else { 0xc2 });
        Ok(())
    }

    #[inline]
    fn serialize_i64(self, value: i64) -> Result<(), CodecError> {
        match value {
            0.. => write_u64(value as u64, self.out),
            -0x20.. => self.out.push(value as u8),
            _ => write_negative(value, self.out),
        }
        Ok(())
    }

    #[inline]
    fn serialize_u64(self, value: u64) -> Result<(), CodecError> {
        write_u64(value, self.out);
        Ok(())
    }

    fn serialize_i128(self, value: i128) -> Result<(), CodecError> {
        match (u64::try_from(value), i64::try_from(value)) {
            (Ok(value), _) => self.serialize_u64(value),
            (_, Ok(value)) => self.serialize_i64(value),
            _ => Err(too_big()),
        }
    }

    fn serialize_u128(self, value: u128) -> Result<(), CodecError> {
        self.serialize_u64(u64::try_from(value).map_err(|_| too_big())?)
    }

    fn serialize_f64(self, value: f64) -> Result<(), CodecError> {
        self.out.put_u8(0xcb);
        self.out.put_f64(value);
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), CodecError> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), CodecError> {
        self.write_head(&STR, value.len())?;
        self.write_bytes(value.as_bytes());
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), CodecError> {
        self.write_head(&BIN, value.len())?;
        self.write_bytes(value);
        Ok(())
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
        self.out.push(0xc0);
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
            json::INTEGER => Err(too_big()),
            json::SURROGATES => Err(CodecError::Value(
                "a string with lone surrogates cannot be written in MsgPack".into(),
            )),
            EXTENSION => {
                // A separate buffer, from which no blob is left out.
                let mut pair = Vec::new();
                let meter = self.meter;
                value.serialize(&mut Serializer { out: &mut pair, meter, own_key: false })?;
                let (tag, data): (i8, &[u8]) =
                    super::decode(&pair, PAIR, Reading::PLAIN).map_err(|_| {
                        CodecError::Value("an extension is not a pair of an i8 and bytes".into())
                    })?;
                self.write_ext(tag, data)
            }
            OWN_KEY => {
                self.own_key = true;
                value.serialize(self)
            }
            blob::NAME => match blob::current() {
                Some(bytes) => {
                    self.write_head(&BIN, bytes.len())?;
                    if !blob::leave_out(self.out, &bytes) {
                        self.write_bytes(&bytes);
                    }
                    Ok(())
                }
                None => value.serialize(self),
            },
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
        self.meter.ascend();
        Ok(())
    }

    #[inline]
    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, CodecError> {
        self.compound(&ARRAY, len)
    }

    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, CodecError> {
        self.compound(&ARRAY, Some(len))
    }

    #[inline]
    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleStruct, CodecError> {
        self.compound(&ARRAY, Some(len))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, CodecError> {
        self.open_variant(variant)?;
        Ok(Compound { levels: 2, ..self.compound(&ARRAY, Some(len))? })
    }

    #[inline]
    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, CodecError> {
        self.compound(&MAP, len)
    }

    #[inline]
    fn serialize_struct(
        self,
        _name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStruct, CodecError> {
        self.compound(&MAP, Some(len))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, CodecError> {
        self.open_variant(variant)?;
        Ok(Compound { levels: 2, ..self.compound(&MAP, Some(len))? })
    }
}

/// An array or map being written.
pub(super) struct Compound<'a, 'o> {
    msgpack: &'a mut Serializer<'o>,
    /// The markers and the position of a head whose length was not known.
    unknown: Option<(&'static Markers, usize)>,
    /// The number of elements or entries written.
    count: usize,
    levels: u8,
    /// `true` if the key was [`KEY`], but not written by the value's own type.
    reserved: bool,
}

/// [`KEY`] in MsgPack.
const WRITTEN_KEY: &[u8] = b"\xa8__type__";

impl Compound<'_, '_> {
    #[inline]
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
        self.count += 1;
        value.serialize(&mut *self.msgpack)
    }

    #[inline]
    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), CodecError> {
        let start = self.msgpack.out.len();
        self.element(key)?;
        if &self.msgpack.out[start..] == WRITTEN_KEY {
            self.reserved = !std::mem::take(&mut self.msgpack.own_key);
        }
        Ok(())
    }

    #[inline]
    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
        if std::mem::take(&mut self.reserved) {
            return self.reserved_value(value);
        }
        value.serialize(&mut *self.msgpack)
    }

    #[cold]
    fn reserved_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
        let start = self.msgpack.out.len();
        value.serialize(&mut *self.msgpack)?;
        reserved::check(Format::MsgPack, &self.msgpack.out[start..])
    }

    #[inline]
    fn field<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), CodecError> {
        self.element(key)?;
        self.reserved = key == KEY;
        self.value(value)
    }

    #[inline]
    fn finish(mut self) -> Result<(), CodecError> {
        if let Some((markers, start)) = self.unknown {
            self.insert_head(markers, start)?;
        }
        for _ in 0..self.levels {
            self.msgpack.meter.ascend();
        }
        Ok(())
    }

    #[cold]
    fn insert_head(&mut self, markers: &Markers, start: usize) -> Result<(), CodecError> {
        let end = self.msgpack.out.len();
        self.msgpack.write_head(markers, self.count)?;
        let head = self.msgpack.out.len() - end;
        self.msgpack.out[start..].rotate_right(head);
        blob::moved(self.msgpack.out, start, head);
        Ok(())
    }
}

compound_traits!(Compound);
