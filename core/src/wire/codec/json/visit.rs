//! Passes numbers and texts to visitors.

use std::borrow::Cow;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{self, Error, Unexpected, Visitor};

use super::super::super::CodecError;
use super::lex::Number;

pub(super) fn visit_text<'de, V: Visitor<'de>>(
    text: Cow<'de, str>,
    visitor: V,
) -> Result<V::Value, CodecError> {
    match text {
        Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
        Cow::Owned(text) => visitor.visit_string(text),
    }
}

pub(super) fn visit_number<'de, V: Visitor<'de>>(
    number: Number<'de>,
    visitor: V,
) -> Result<V::Value, CodecError> {
    match number {
        Number::Unsigned(number) => visitor.visit_u64(number),
        Number::Negative(number) => visitor.visit_i64(number),
        Number::Long(digits) => visitor.visit_newtype_struct(BorrowedStrDeserializer::new(digits)),
        Number::Decimal(text) => visitor.visit_f64(text.parse().map_err(CodecError::custom)?),
        Number::Special(number) => visitor.visit_f64(number),
    }
}

pub(super) fn visit_integer<'de, V: Visitor<'de>>(
    number: Number<'de>,
    visitor: V,
) -> Result<V::Value, CodecError> {
    match number {
        Number::Long(_) => Err(too_long(&visitor)),
        number => visit_number(number, visitor),
    }
}

pub(super) fn visit_i128<'de, V: Visitor<'de>>(
    number: Number<'de>,
    visitor: V,
) -> Result<V::Value, CodecError> {
    match number {
        Number::Long(digits) => match digits.parse() {
            Ok(number) => visitor.visit_i128(number),
            Err(_) => Err(too_long(&visitor)),
        },
        number => visit_number(number, visitor),
    }
}

pub(super) fn visit_u128<'de, V: Visitor<'de>>(
    number: Number<'de>,
    visitor: V,
) -> Result<V::Value, CodecError> {
    match number {
        Number::Long(digits) => match digits.parse() {
            Ok(number) => visitor.visit_u128(number),
            Err(_) => Err(too_long(&visitor)),
        },
        number => visit_number(number, visitor),
    }
}

pub(super) fn visit_float<'de, V: Visitor<'de>>(
    number: Number<'de>,
    visitor: V,
) -> Result<V::Value, CodecError> {
    match number {
        Number::Long(digits) => visit_number(Number::Decimal(digits), visitor),
        number => visit_number(number, visitor),
    }
}

#[cold]
fn too_long(expected: &dyn de::Expected) -> CodecError {
    CodecError::invalid_value(Unexpected::Other("an integer of more digits"), expected)
}
