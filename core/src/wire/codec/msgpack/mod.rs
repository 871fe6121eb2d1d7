//! MsgPack as aiomas writes it.
//!
//! Structs are maps, every value has its shortest form, and floats always have 64 bits.

use serde::{Deserialize, Serialize};

use super::super::{Budget, CodecError, Reading};
use super::{json, locate};

mod de;
pub(super) mod read;
mod ser;
pub(in super::super) use ser::write_u64;
#[cfg(test)]
mod tests;

/// The name of the newtype struct around the tag and the data of an extension.
///
/// The name is that of rmp-serde, so that types written for it work here.
pub(in super::super) const EXTENSION: &str = "_ExtStruct";

#[inline]
pub(super) fn encode<T: Serialize + ?Sized>(
    value: &T,
    budget: Budget,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    value.serialize(&mut ser::Serializer::new(out, budget))
}

/// Appends the string `service/name`.
#[inline]
pub(super) fn encode_path(service: &str, name: &str, out: &mut Vec<u8>) -> Result<(), CodecError> {
    ser::Serializer::new(out, Budget::DEFAULT).write_path(service, name)
}

#[inline]
pub(super) fn decode<'de, T: Deserialize<'de>>(
    bytes: &'de [u8],
    budget: Budget,
    reading: Reading,
) -> Result<T, CodecError> {
    let mut deserializer = de::Deserializer::new(bytes, budget, reading);
    let value = T::deserialize(&mut deserializer)
        .map_err(|error| locate(error, deserializer.position()))?;
    deserializer.end()?;
    Ok(value)
}
