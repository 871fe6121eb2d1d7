//! JSON as Python writes and reads it, which is not quite RFC 8259.
//!
//! `NaN`, `Infinity`, integers of any size and lone surrogates are values.

use std::fmt::{self, Write};

use serde::{Deserialize, Serialize};

use super::super::{Budget, CodecError, Reading};
use super::locate;

mod de;
pub(super) mod lex;
mod number;
pub(super) mod quoted;
mod ser;
#[cfg(test)]
mod tests;
mod visit;
pub(super) mod walk;

pub(crate) use lex::plain;
pub(in super::super) use number::write_u64;

/// The name of the newtype struct around the digits of a big integer (a string).
pub(in super::super) const INTEGER: &str = "$aiomas::Integer";
/// The name of the newtype struct around a string with lone surrogates.
///
/// It holds a string: the UTF-16 code units, in four hexadecimal digits each.
pub(in super::super) const SURROGATES: &str = "$aiomas::Surrogates";

/// Returns the string inside one of this crate's newtype structs.
pub(in super::super) fn text<T: Serialize + ?Sized>(value: &T) -> Result<String, CodecError> {
    struct Text<'a, T: ?Sized>(&'a T);
    impl<T: Serialize + ?Sized> fmt::Display for Text<'_, T> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.serialize(f)
        }
    }
    let mut text = String::new();
    write!(text, "{}", Text(value)).map_err(serde::ser::Error::custom)?;
    Ok(text)
}

pub(in super::super) fn to_hex(units: &[u16]) -> String {
    units.iter().map(|unit| format!("{unit:04x}")).collect()
}

pub(in super::super) fn from_hex(digits: &str) -> Vec<u16> {
    let units = digits.as_bytes().chunks(4).map(|unit| str::from_utf8(unit).unwrap_or_default());
    units.map(|unit| u16::from_str_radix(unit, 16).unwrap_or_default()).collect()
}

#[inline]
pub(super) fn encode<T: Serialize + ?Sized>(
    value: &T,
    budget: Budget,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    value.serialize(&mut ser::Serializer::new(out, budget))
}

/// Appends `"service/name"`.
#[inline]
pub(super) fn encode_path(service: &str, name: &str, out: &mut Vec<u8>) {
    ser::Serializer::new(out, Budget::DEFAULT).write_path(service, name);
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
