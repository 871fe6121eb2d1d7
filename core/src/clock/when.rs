//! The end of a sleep.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{ClockError, Date, finite};

/// The end of a sleep: a time of the clock in seconds, or a date.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum When {
    /// A time of the clock in seconds.
    Time(f64),
    /// A date.
    Date(Date),
}

impl When {
    /// Converts the end to a time of a clock that now shows `time` and `utc_now`.
    ///
    /// Fails if the end is not after now.
    pub(super) fn after(self, time: f64, utc_now: Date) -> Result<f64, ClockError> {
        let due = match self {
            Self::Time(due) => due,
            Self::Date(date) => date.seconds_since(utc_now) + time,
        };
        if finite(due)? > time { Ok(due) } else { Err(ClockError::Past { when: self }) }
    }
}

impl From<f64> for When {
    fn from(time: f64) -> Self {
        Self::Time(time)
    }
}

impl From<Date> for When {
    fn from(date: Date) -> Self {
        Self::Date(date)
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => time.fmt(f),
            Self::Date(date) => date.fmt(f),
        }
    }
}

/// Writes the number or the date.
impl Serialize for When {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Time(time) => time.serialize(serializer),
            Self::Date(date) => date.serialize(serializer),
        }
    }
}

/// Reads a number or a [`Date`].
impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(WhenVisitor)
    }
}

struct WhenVisitor;

impl<'de> de::Visitor<'de> for WhenVisitor {
    type Value = When;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time in seconds or a date")
    }

    fn visit_f64<E>(self, time: f64) -> Result<When, E> {
        Ok(When::Time(time))
    }

    fn visit_i64<E>(self, time: i64) -> Result<When, E> {
        Ok(When::Time(time as f64))
    }

    fn visit_u64<E>(self, time: u64) -> Result<When, E> {
        Ok(When::Time(time as f64))
    }

    fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<When, A::Error> {
        Date::deserialize(MapAccessDeserializer::new(map)).map(When::Date)
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use crate::wire::{Budget, CodecContext, CodecError, Format, Types, codec};

    fn codec_context() -> CodecContext {
        CodecContext::new(Types::default().for_container(), Budget::default())
    }

    fn decode(json: &str) -> Result<When, CodecError> {
        codec::decode(Format::Json, json.as_bytes(), &codec_context())
    }

    #[test]
    fn is_read_from_numbers_and_dates() {
        assert_eq!(decode("5"), Ok(When::Time(5.0)));
        assert_eq!(decode("-5"), Ok(When::Time(-5.0)));
        assert_eq!(decode("0.5"), Ok(When::Time(0.5)));
        let date: Date = "2010-03-27".parse().unwrap();
        assert_eq!(decode(r#"{"__type__": [0, "2010-03-27"]}"#), Ok(When::Date(date)));
        assert!(decode(r#""2010-03-27""#).is_err());
        assert!(decode("{}").is_err());
    }

    #[test]
    fn is_written_as_what_it_is() {
        for json in [r#"{"__type__": [0, "2010-03-27T00:00:00+01:00"]}"#, "5.5"] {
            let mut written = Vec::new();
            let when = decode(json).unwrap();
            codec::encode(Format::Json, &codec_context(), &when, &mut written).unwrap();
            assert_eq!(written, json.as_bytes());
        }
    }
}
