use serde::ser::{Serialize, Serializer};

use super::super::codec::{json, msgpack};
use super::super::typed;
use super::integer::Repr;
use super::{Integer, Value};

impl Serialize for Integer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.repr() {
            Repr::Unsigned(number) => serializer.serialize_u64(*number),
            Repr::Negative(number) => serializer.serialize_i64(*number),
            Repr::Big(digits) => serializer.serialize_newtype_struct(json::INTEGER, &**digits),
        }
    }
}

/// Writes integers that no Rust type can hold, surrogates and extensions as newtype structs.
///
/// The codecs of this crate know the names of these structs. Other serializers write strings or pairs.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Int(number) => number.serialize(serializer),
            Self::Float(number) => serializer.serialize_f64(*number),
            Self::Str(text) => serializer.serialize_str(text),
            Self::Surrogates(units) => {
                serializer.serialize_newtype_struct(json::SURROGATES, &json::to_hex(units))
            }
            Self::Bytes(bytes) => serializer.serialize_bytes(bytes),
            Self::List(items) => serializer.collect_seq(items),
            Self::Map(entries) => serializer.collect_map(entries.iter().map(|(k, v)| (k, v))),
            Self::Typed { id, data } => typed::serialize_id(*id, data, serializer),
            Self::Ext(tag, bytes) => {
                serializer.serialize_newtype_struct(msgpack::EXTENSION, &(tag, RawBytes(bytes)))
            }
        }
    }
}

struct RawBytes<'a>(&'a [u8]);

impl Serialize for RawBytes<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0)
    }
}
