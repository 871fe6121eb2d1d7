//! Dates with an offset from UTC, equivalent to those of Python's arrow.

mod parse;

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::time::Duration;

use jiff::civil::{self, DateTime};
use jiff::tz::{Offset, TimeZone};
use jiff::{SignedDuration, Timestamp, Zoned};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::wire::{Types, typed};

const EPOCH: DateTime = civil::date(1970, 1, 1).at(0, 0, 0, 0);
const DAY: i32 = 24 * 60 * 60;

/// A date and time of day, with its offset from UTC.
///
/// aiomas sends an `Arrow` as such a date, and receives one as an `Arrow`. The resolution is one microsecond. The range
/// is Python's: local times within the years 1 to 9999, offsets of less than a day. Both exceed the range of
/// [`jiff::Timestamp`], to which most dates can be converted.
///
/// As in arrow and jiff, dates compare by the instants they stand for: `12:00+01:00` equals `11:00+00:00`. To tell
/// these apart, compare [`offset`](Self::offset) as well.
///
/// The text form is Python's: `2010-03-27T00:00:00+01:00`. It has six decimals unless all are zero, and seconds in the
/// offset unless they are zero (arrow writes such offsets but does not read them).
///
/// ```
/// use aiomas_core::clock::Date;
///
/// let date: Date = "2010-03-27T12:30:15+01:00".parse()?;
/// assert_eq!(date, "2010-03-27T11:30:15Z".parse::<Date>()?);
/// assert_eq!(date.shift(0.5)?.to_string(), "2010-03-27T12:30:15.500000+01:00");
/// # Ok::<(), aiomas_core::clock::DateError>(())
/// ```
///
/// # Reading
///
/// [`FromStr`] reads what `arrow.get(text)` reads (arrow 1.4):
///
/// - days as `2010-03-27`, `2010-3-7`, `2010/03/27`, `2010.03.27`, `20100327`, `2010-03`, `2010`, `2010-086` and
///   `2010086` (the day of the year), `2010-W12-6`, `2010W126` and `2010-W12`;
/// - then, after a `T` or a space, times as `12`, `12:30`, `12:30:15`, `12:30:15.5` or with a comma, or any of these
///   without colons; decimals are rounded; `24:00` is the end of the day;
/// - then `Z` or offsets as `+01`, `+0100`, `+01:00`. Without an offset, the date is in UTC.
///
/// There are exceptions. Unlike arrow, it does not read punctuation or a line break around the text, digits other than
/// ASCII, and days that arrow finds in the next or previous year: day 366, week 53, week 0. It reads days of the year
/// and weeks before the year 1000, which arrow does not. If several parts are wrong, the error may name another part
/// than arrow's.
#[derive(Clone, Copy, Debug)]
pub struct Date {
    // Within the years 1 to 9999, in whole microseconds.
    local: DateTime,
    // Less than a day.
    offset: Offset,
}

/// The error of creating or reading a [`Date`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DateError {
    /// The text is not a date (arrow's `ParserError`).
    #[error("cannot read the {part} of a date; it should look like 2010-03-27T12:30:15+01:00")]
    Syntax {
        /// The part that cannot be read.
        part: &'static str,
    },
    /// The date does not exist (Python's `ValueError` and `OverflowError`).
    #[error("the {part} of a date is out of range")]
    OutOfRange {
        /// The part that is too large or too small.
        part: &'static str,
    },
}

impl Date {
    /// The earliest date, in UTC.
    pub const MIN: Self = Self { local: civil::date(1, 1, 1).at(0, 0, 0, 0), offset: Offset::UTC };
    /// The latest date, in UTC.
    pub const MAX: Self =
        Self { local: civil::date(9999, 12, 31).at(23, 59, 59, 999_999_000), offset: Offset::UTC };

    /// Creates a date from a local time and its offset from UTC.
    ///
    /// Fractions of a microsecond are truncated.
    ///
    /// # Errors
    /// Returns [`DateError::OutOfRange`] if the year is not from 1 to 9999, or the offset is a day or more.
    pub fn new(local: DateTime, offset: Offset) -> Result<Self, DateError> {
        if local.year() < 1 {
            return Err(DateError::OutOfRange { part: "year" });
        }
        if offset.seconds().abs() >= DAY {
            return Err(DateError::OutOfRange { part: "offset" });
        }
        let below = SignedDuration::from_nanos(i64::from(local.subsec_nanosecond() % 1_000));
        Ok(Self { local: local.saturating_sub(below), offset })
    }

    /// Creates the date in UTC of a Unix time in seconds.
    ///
    /// As in arrow, a number too large for seconds counts milliseconds, or else microseconds.
    ///
    /// # Errors
    /// Returns [`DateError::OutOfRange`] if the number is not finite, or the year is not from 1 to 9999.
    pub fn from_unix(seconds: f64) -> Result<Self, DateError> {
        // The last microsecond of the year 9999, as near as a float gets.
        const LAST: f64 = 253_402_300_800.0;
        let seconds = match seconds {
            s if s <= LAST => s,
            s if s < LAST * 1e3 => s / 1e3,
            s => s / 1e6,
        };
        Self { local: EPOCH, offset: Offset::UTC }.shift(seconds)
    }

    /// Creates the date in UTC that is `time` after the Unix epoch.
    ///
    /// Fractions of a microsecond are truncated.
    ///
    /// # Errors
    /// Returns [`DateError::OutOfRange`] if the year is after 9999.
    pub fn after_epoch(time: Duration) -> Result<Self, DateError> {
        let by = SignedDuration::try_from(time);
        let by = by.map_err(|_| DateError::OutOfRange { part: "year" })?;
        Self { local: EPOCH, offset: Offset::UTC }.plus(by)
    }

    /// Returns the local date and time.
    #[must_use]
    pub const fn local(self) -> DateTime {
        self.local
    }

    /// Returns the offset of the local time from UTC.
    #[must_use]
    pub const fn offset(self) -> Offset {
        self.offset
    }

    /// Returns the date `seconds` later, at the same offset.
    ///
    /// The result is rounded to microseconds, ties to even.
    ///
    /// # Errors
    /// Returns [`DateError::OutOfRange`] if the number is not finite, or the year is not from 1 to 9999.
    pub fn shift(self, seconds: f64) -> Result<Self, DateError> {
        const TOO_LONG: f64 = 10_000.0 * 366.0 * 86_400.0;
        if seconds.is_nan() || seconds.abs() >= TOO_LONG {
            return Err(DateError::OutOfRange { part: "year" });
        }
        let micros = (seconds.fract() * 1e6).round_ties_even() as i64;
        let by = SignedDuration::from_secs(seconds as i64) + SignedDuration::from_micros(micros);
        self.plus(by)
    }

    /// Returns the seconds from `earlier` to this date; negative if `earlier` is later.
    #[must_use]
    pub fn seconds_since(self, earlier: Self) -> f64 {
        (self.instant() - earlier.instant()).as_micros() as f64 / 1e6
    }

    /// Returns the same instant at another offset from UTC.
    ///
    /// # Errors
    /// Returns [`DateError::OutOfRange`] if the new year is not from 1 to 9999, or the offset is a day or more.
    pub fn to_offset(self, offset: Offset) -> Result<Self, DateError> {
        let by = SignedDuration::from_secs((offset.seconds() - self.offset.seconds()).into());
        Self::new(self.plus(by)?.local, offset)
    }

    /// Returns the same instant in UTC.
    ///
    /// # Errors
    /// Returns [`DateError::OutOfRange`] if the year in UTC is not from 1 to 9999.
    pub fn to_utc(self) -> Result<Self, DateError> {
        self.to_offset(Offset::UTC)
    }

    fn plus(self, by: SignedDuration) -> Result<Self, DateError> {
        let local = self.local.checked_add(by);
        Self::new(local.map_err(|_| DateError::OutOfRange { part: "year" })?, self.offset)
    }

    /// Returns the time since the Unix epoch.
    fn instant(self) -> SignedDuration {
        self.local.duration_since(EPOCH) - SignedDuration::from_secs(self.offset.seconds().into())
    }
}

impl PartialEq for Date {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Date {}

impl PartialOrd for Date {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Date {
    fn cmp(&self, other: &Self) -> Ordering {
        self.instant().cmp(&other.instant())
    }
}

impl Hash for Date {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.instant().hash(state);
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { local, offset } = self;
        let (year, month, day) = (local.year(), local.month(), local.day());
        let (hour, minute, second) = (local.hour(), local.minute(), local.second());
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        let micros = local.subsec_nanosecond() / 1_000;
        if micros != 0 {
            write!(f, ".{micros:06}")?;
        }
        let sign = if offset.is_negative() { '-' } else { '+' };
        let offset = offset.seconds().abs();
        write!(f, "{sign}{:02}:{:02}", offset / 3_600, offset / 60 % 60)?;
        match offset % 60 {
            0 => Ok(()),
            second => write!(f, ":{second:02}"),
        }
    }
}

impl FromStr for Date {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, DateError> {
        parse::date(text)
    }
}

impl TryFrom<Timestamp> for Date {
    type Error = DateError;

    fn try_from(timestamp: Timestamp) -> Result<Self, DateError> {
        Self::new(Offset::UTC.to_datetime(timestamp), Offset::UTC)
    }
}

impl TryFrom<&Zoned> for Date {
    type Error = DateError;

    /// Keeps only the offset of the zone on that date.
    fn try_from(zoned: &Zoned) -> Result<Self, DateError> {
        Self::new(zoned.datetime(), zoned.offset())
    }
}

impl TryFrom<Date> for Timestamp {
    type Error = DateError;

    /// Fails at the end of the year 9999.
    fn try_from(date: Date) -> Result<Self, DateError> {
        let timestamp = date.offset.to_timestamp(date.local);
        timestamp.map_err(|_| DateError::OutOfRange { part: "year" })
    }
}

impl TryFrom<Date> for Zoned {
    type Error = DateError;

    /// Uses a zone with that fixed offset. Fails at the end of the year 9999.
    fn try_from(date: Date) -> Result<Self, DateError> {
        Ok(Timestamp::try_from(date)?.to_zoned(TimeZone::fixed(date.offset)))
    }
}

/// Writes the date as the typed value [`Types::DATE`] with its text.
impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        typed::serialize(Types::DATE, &self.to_string(), serializer)
    }
}

/// Reads the typed value [`Types::DATE`] with a text or, as in arrow, a Unix time.
impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        typed::deserialize(Types::DATE, deserializer).map(|Data(date)| date)
    }
}

/// The data of the typed value.
struct Data(Date);

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl de::Visitor<'_> for Visitor {
            type Value = Data;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a date as text or Unix time")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Data, E> {
                text.parse().map(Data).map_err(E::custom)
            }

            fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Data, E> {
                Date::from_unix(seconds).map(Data).map_err(E::custom)
            }

            fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<Data, E> {
                self.visit_f64(seconds as f64)
            }

            fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Data, E> {
                self.visit_f64(seconds as f64)
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests;
