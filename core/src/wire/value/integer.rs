use std::fmt;
use std::str::FromStr;

/// An integer of any size.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Integer(Repr);

/// The representation of an integer. Every number has exactly one.
///
/// The derived order is not the numeric order.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Repr {
    Unsigned(u64),
    /// A number below 0.
    Negative(i64),
    /// The digits, with a minus sign if negative, of any other number.
    Big(Box<str>),
}

/// The error of parsing a text that is not an integer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an integer: expected decimal digits, optionally after a minus sign")]
pub struct ParseIntegerError;

impl Integer {
    pub(super) const fn repr(&self) -> &Repr {
        &self.0
    }

    /// Returns the number, if it fits.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        match self.0 {
            Repr::Unsigned(number) => number.try_into().ok(),
            Repr::Negative(number) => Some(number),
            Repr::Big(_) => None,
        }
    }

    /// Returns the number, if it fits.
    #[must_use]
    pub const fn as_u64(&self) -> Option<u64> {
        match self.0 {
            Repr::Unsigned(number) => Some(number),
            Repr::Negative(_) | Repr::Big(_) => None,
        }
    }

    /// Returns the number, if it fits.
    #[must_use]
    pub fn as_i128(&self) -> Option<i128> {
        match &self.0 {
            Repr::Unsigned(number) => Some((*number).into()),
            Repr::Negative(number) => Some((*number).into()),
            Repr::Big(digits) => digits.parse().ok(),
        }
    }

    /// Returns the number, if it fits.
    #[must_use]
    pub fn as_u128(&self) -> Option<u128> {
        match &self.0 {
            Repr::Unsigned(number) => Some((*number).into()),
            Repr::Negative(_) => None,
            Repr::Big(digits) => digits.parse().ok(),
        }
    }

    /// Returns the nearest floating point number; infinite if the number is too large.
    #[must_use]
    pub fn to_f64(&self) -> f64 {
        match &self.0 {
            Repr::Unsigned(number) => *number as f64,
            Repr::Negative(number) => *number as f64,
            Repr::Big(digits) => digits.parse().unwrap_or(f64::NAN),
        }
    }
}

impl FromStr for Integer {
    type Err = ParseIntegerError;

    fn from_str(text: &str) -> Result<Self, ParseIntegerError> {
        let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParseIntegerError);
        }
        Ok(match (text.parse::<u64>(), text.parse::<i64>()) {
            (Ok(number), _) => number.into(),
            (_, Ok(number)) => number.into(),
            _ => {
                let digits = digits.trim_start_matches('0');
                Self(Repr::Big(format!("{sign}{digits}").into()))
            }
        })
    }
}

impl fmt::Display for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Repr::Unsigned(number) => number.fmt(f),
            Repr::Negative(number) => number.fmt(f),
            Repr::Big(digits) => digits.fmt(f),
        }
    }
}

impl fmt::Debug for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! from {
    ($($type:ty)*) => {
        $(
            impl From<$type> for Integer {
                fn from(number: $type) -> Self {
                    match (u64::try_from(number), i64::try_from(number)) {
                        (Ok(number), _) => Self(Repr::Unsigned(number)),
                        (_, Ok(number)) => Self(Repr::Negative(number)),
                        _ => Self(Repr::Big(number.to_string().into())),
                    }
                }
            }
        )*
    };
}

from! { i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize }
