//! Serializer from any type to a [`Value`], for [`Value::encode`].

use serde::Serialize;
use serde::ser::{
    self, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

use super::super::codec::{json, msgpack};
use super::super::{Budget, CodecError, typed};
use super::Value;

/// The number of levels left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Serializer {
    left: u32,
    limit: u32,
}

impl Serializer {
    pub(super) const fn new(budget: Budget) -> Self {
        Self { left: budget.depth, limit: budget.depth }
    }

    const fn descend(self) -> Result<Self, CodecError> {
        match self.left.checked_sub(1) {
            Some(left) => Ok(Self { left, ..self }),
            None => Err(CodecError::TooDeep { limit: self.limit }),
        }
    }

    fn compound(self, variant: Option<&'static str>) -> Result<Compound, CodecError> {
        let outer = if variant.is_some() { self.descend()? } else { self };
        Ok(Compound { inner: outer.descend()?, variant, items: Vec::new(), entries: Vec::new() })
    }
}

macro_rules! into {
    ($($method:ident($type:ty))*) => {
        $(
            fn $method(self, value: $type) -> Result<Value, CodecError> {
                Ok(value.into())
            }
        )*
    };
}

impl ser::Serializer for Serializer {
    type Ok = Value;
    type Error = CodecError;
    type SerializeSeq = Compound;
    type SerializeTuple = Compound;
    type SerializeTupleStruct = Compound;
    type SerializeTupleVariant = Compound;
    type SerializeMap = Compound;
    type SerializeStruct = Compound;
    type SerializeStructVariant = Compound;

    into! {
        serialize_bool(bool) serialize_i8(i8) serialize_i16(i16) serialize_i32(i32)
        serialize_i64(i64) serialize_i128(i128) serialize_u8(u8) serialize_u16(u16)
        serialize_u32(u32) serialize_u64(u64) serialize_u128(u128) serialize_f32(f32)
        serialize_f64(f64) serialize_str(&str) serialize_bytes(&[u8])
    }

    fn serialize_char(self, value: char) -> Result<Value, CodecError> {
        Ok(value.to_string().into())
    }

    fn serialize_none(self) -> Result<Value, CodecError> {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, CodecError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, CodecError> {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<Value, CodecError> {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<Value, CodecError> {
        Ok(variant.into())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<Value, CodecError> {
        match name {
            json::INTEGER => json::text(value)?.parse().map(Value::Int).map_err(ser::Error::custom),
            json::SURROGATES => Ok(Value::Surrogates(json::from_hex(&json::text(value)?))),
            msgpack::EXTENSION => {
                let pair = value.serialize(self)?;
                match pair.as_list() {
                    Some([tag, Value::Bytes(bytes)]) => {
                        let tag = tag.as_i64().and_then(|tag| i8::try_from(tag).ok());
                        tag.map(|tag| Value::Ext(tag, bytes.clone()))
                    }
                    _ => None,
                }
                .ok_or_else(|| ser::Error::custom("an extension is not a pair of an i8 and bytes"))
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
    ) -> Result<Value, CodecError> {
        let value = value.serialize(self.descend()?)?;
        Ok(Value::Map(vec![(variant.into(), value)]))
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Compound, CodecError> {
        self.compound(None)
    }

    fn serialize_tuple(self, _len: usize) -> Result<Compound, CodecError> {
        self.compound(None)
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        _len: usize,
    ) -> Result<Compound, CodecError> {
        self.compound(None)
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Compound, CodecError> {
        self.compound(Some(variant))
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Compound, CodecError> {
        self.compound(None)
    }

    fn serialize_struct(self, _name: &'static str, _len: usize) -> Result<Compound, CodecError> {
        self.compound(None)
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Compound, CodecError> {
        self.compound(Some(variant))
    }
}

/// A list or map being built.
#[derive(Debug)]
pub(super) struct Compound {
    inner: Serializer,
    variant: Option<&'static str>,
    /// The elements of a list, or the key of a map without its value.
    items: Vec<Value>,
    entries: Vec<(Value, Value)>,
}

impl Compound {
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
        self.items.push(value.serialize(self.inner)?);
        Ok(())
    }

    fn entry<T: Serialize + ?Sized>(&mut self, key: Value, value: &T) -> Result<(), CodecError> {
        self.entries.push((key, value.serialize(self.inner)?));
        Ok(())
    }

    fn finish(self, value: Value) -> Value {
        match self.variant {
            Some(variant) => Value::Map(vec![(variant.into(), value)]),
            None => value,
        }
    }

    fn list(mut self) -> Value {
        let items = std::mem::take(&mut self.items);
        self.finish(Value::List(items))
    }

    fn map(mut self) -> Value {
        let entries = std::mem::take(&mut self.entries);
        let typed = entries.iter().find(|(key, _)| key.as_str() == Some(typed::KEY));
        let value = match typed.and_then(|(_, pair)| pair.as_list()) {
            Some([Value::Int(id), data]) if id.as_u64().is_some() => {
                Value::Typed { id: id.as_u64().unwrap_or_default(), data: Box::new(data.clone()) }
            }
            _ => Value::from_entries(entries),
        };
        self.finish(value)
    }
}

macro_rules! sequences {
    ($($trait:ident $method:ident;)*) => {
        $(
            impl $trait for Compound {
                type Ok = Value;
                type Error = CodecError;

                fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
                    self.item(value)
                }

                fn end(self) -> Result<Value, CodecError> {
                    Ok(self.list())
                }
            }
        )*
    };
}

sequences! {
    SerializeSeq serialize_element;
    SerializeTuple serialize_element;
    SerializeTupleStruct serialize_field;
    SerializeTupleVariant serialize_field;
}

macro_rules! structs {
    ($($trait:ident)*) => {
        $(
            impl $trait for Compound {
                type Ok = Value;
                type Error = CodecError;

                fn serialize_field<T: Serialize + ?Sized>(
                    &mut self,
                    key: &'static str,
                    value: &T,
                ) -> Result<(), CodecError> {
                    self.entry(key.into(), value)
                }

                fn end(self) -> Result<Value, CodecError> {
                    Ok(self.map())
                }
            }
        )*
    };
}

structs! { SerializeStruct SerializeStructVariant }

impl SerializeMap for Compound {
    type Ok = Value;
    type Error = CodecError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), CodecError> {
        self.item(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CodecError> {
        let key = self.items.pop().ok_or_else(|| ser::Error::custom("a value without a key"))?;
        self.entry(key, value)
    }

    fn end(self) -> Result<Value, CodecError> {
        Ok(self.map())
    }
}
