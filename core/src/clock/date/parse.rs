//! Parser of dates, equivalent to arrow's `DateTimeParser.parse_iso`.

use jiff::SignedDuration;
use jiff::civil::{self, ISOWeekDate, Time, Weekday};
use jiff::tz::Offset;

use super::{DAY, Date, DateError};

pub(super) fn date(text: &str) -> Result<Date, DateError> {
    let (day_text, time_text) = match text.split_once([' ', 'T']) {
        Some((day, time)) => (day, Some(time)),
        None => (text, None),
    };
    let midnight = day(day_text.as_bytes())?.to_datetime(Time::midnight());
    let Some(time_text) = time_text else {
        return Date::new(midnight, Offset::UTC);
    };
    let (time_text, offset) = match time_text.find(['+', '-', 'Z', 'z']) {
        Some(at) => (&time_text[..at], offset(&time_text.as_bytes()[at..])?),
        None => (time_text, Offset::UTC),
    };
    Date::new(midnight, offset)?.plus(time(time_text)?)
}

/// Parses a calendar date, a day of a year, or a day of a week.
fn day(text: &[u8]) -> Result<civil::Date, DateError> {
    let day = find_day(text).ok_or(DateError::Syntax { part: "day" })?;
    day.map_err(|_| DateError::OutOfRange { part: "day" })
}

/// Finds the day in a text of a known form.
///
/// Returns `None` if the text has no known form, and an error if the day does not exist.
fn find_day(text: &[u8]) -> Option<Result<civil::Date, jiff::Error>> {
    let (year, rest) = text.split_at_checked(4)?;
    let year = number(year)?;
    let calendar = |month: &[u8], day: &[u8]| {
        Some(civil::Date::new(year, number(month)? as i8, number(day)? as i8))
    };
    match *rest {
        [] => calendar(b"1", b"1"),
        [b'-' | b'/' | b'.', a, b] => calendar(&[a, b], b"1"),
        [a, b, c, d] if number(rest).is_some() => calendar(&[a, b], &[c, d]),
        [b'-', a, b, c] | [a, b, c] if number(&[a, b, c]).is_some() => {
            let day_of_year = number(&[a, b, c])?;
            let first = civil::Date::new(year, 1, 1);
            Some(first.and_then(|first| first.with().day_of_year(day_of_year).build()))
        }
        [b'-', b'W' | b'w', ref week @ ..] | [b'W' | b'w', ref week @ ..] => week_date(year, week),
        [separator @ (b'-' | b'/' | b'.'), ref rest @ ..] => {
            let at = rest.iter().position(|byte| *byte == separator)?;
            let (month, day) = (&rest[..at], &rest[at + 1..]);
            if month.len() <= 2 && day.len() <= 2 { calendar(month, day) } else { None }
        }
        _ => None,
    }
}

/// Parses the text after the `W` of a week date.
fn week_date(year: i16, text: &[u8]) -> Option<Result<civil::Date, jiff::Error>> {
    let (week, day) = text.split_at_checked(2)?;
    let day = match day {
        [] | b"-" => 1,
        [b'-', day] | [day] => number(&[*day])?,
        _ => return None,
    };
    let week = number(week)? as i8;
    let day = Weekday::from_monday_one_offset(day as i8);
    Some(day.and_then(|day| ISOWeekDate::new(year, week, day)).map(ISOWeekDate::date))
}

/// Parses the time since midnight. Only seconds may have decimals.
fn time(text: &str) -> Result<SignedDuration, DateError> {
    const SYNTAX: DateError = DateError::Syntax { part: "time" };
    let (clock, decimals) = match text.split_once(['.', ',']) {
        Some((clock, decimals)) => (clock, Some(decimals)),
        None => (text, None),
    };
    let clock = clock.as_bytes();
    let numbers: Option<Vec<i32>> = if clock.contains(&b':') {
        clock.split(|byte| *byte == b':').take(4).map(pair).collect()
    } else {
        clock.chunks(2).take(4).map(pair).collect()
    };
    let (hour, minute, second) = match (numbers.as_deref(), decimals) {
        (Some(&[hour, minute, second]), _) => (hour, minute, second),
        (Some(&[hour, minute]), None) => (hour, minute, 0),
        (Some(&[hour]), None) => (hour, 0, 0),
        _ => return Err(SYNTAX),
    };
    let micros = decimals.map_or(Some(0), micros).ok_or(SYNTAX)?;
    if hour == 24 && (minute, second, micros) != (0, 0, 0) {
        return Err(SYNTAX);
    }
    if hour > 24 || minute > 59 || second > 59 {
        return Err(DateError::OutOfRange { part: "time" });
    }
    let seconds = (hour * 60 + minute) * 60 + second;
    Ok(SignedDuration::from_secs(seconds.into()) + SignedDuration::from_micros(micros))
}

/// Returns decimals as microseconds, from 0 to 1,000,000.
///
/// A 5 in the seventh place rounds to even, as in arrow, and the places after it do not count.
fn micros(decimals: &str) -> Option<i64> {
    if decimals.is_empty() || !decimals.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let mut digits = decimals.bytes().map(|byte| i64::from(byte - b'0')).chain([0; 7]);
    let micros = digits.by_ref().take(6).fold(0, |micros, digit| micros * 10 + digit);
    let up = match digits.next()? {
        5 => micros % 2,
        seventh => i64::from(seventh > 5),
    };
    Some(micros + up)
}

/// Parses `Z`, `+01`, `+0100` or `+01:00`.
fn offset(text: &[u8]) -> Result<Offset, DateError> {
    const SYNTAX: DateError = DateError::Syntax { part: "offset" };
    let (sign, rest) = match text {
        b"Z" => return Ok(Offset::UTC),
        [b'+', rest @ ..] => (1, rest),
        [b'-', rest @ ..] => (-1, rest),
        _ => return Err(SYNTAX),
    };
    let (hours, minutes) = match rest {
        [a, b] => ([*a, *b], *b"00"),
        [a, b, c, d] | [a, b, b':', c, d] => ([*a, *b], [*c, *d]),
        _ => return Err(SYNTAX),
    };
    let (hours, minutes) = (pair(&hours).ok_or(SYNTAX)?, pair(&minutes).ok_or(SYNTAX)?);
    // As in Python, minutes may exceed 59; only the sum is limited.
    let seconds = sign * (hours * 60 + minutes) * 60;
    let offset = if seconds.abs() < DAY { Offset::from_seconds(seconds).ok() } else { None };
    offset.ok_or(DateError::OutOfRange { part: "offset" })
}

/// Parses a number of exactly two digits.
fn pair(digits: &[u8]) -> Option<i32> {
    if digits.len() == 2 { number(digits).map(i32::from) } else { None }
}

/// Parses a number of one to four digits.
fn number(digits: &[u8]) -> Option<i16> {
    if digits.is_empty() || digits.len() > 4 {
        return None;
    }
    digits.iter().try_fold(0, |number, digit| {
        digit.is_ascii_digit().then(|| number * 10 + i16::from(digit - b'0'))
    })
}
