use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::wire::{Budget, CodecContext, CodecError, Format, codec};

fn date(text: &str) -> Date {
    text.parse().unwrap()
}

fn error(text: &str) -> DateError {
    text.parse::<Date>().unwrap_err()
}

/// Expected values are those of `arrow.get(text)`, arrow 1.4.
#[test]
fn reads_the_forms_that_arrow_reads() {
    for (text, expected) in [
        ("2010-3-7", "2010-03-07T00:00:00+00:00"),
        ("2010/3/07", "2010-03-07T00:00:00+00:00"),
        ("2010.03.7", "2010-03-07T00:00:00+00:00"),
        ("2010.03", "2010-03-01T00:00:00+00:00"),
        ("2010", "2010-01-01T00:00:00+00:00"),
        ("2010-086", "2010-03-27T00:00:00+00:00"),
        ("2010086T12", "2010-03-27T12:00:00+00:00"),
        ("2012-366", "2012-12-31T00:00:00+00:00"),
        ("2010-W12-6", "2010-03-27T00:00:00+00:00"),
        ("2010W126T120000Z", "2010-03-27T12:00:00+00:00"),
        ("2010w12-", "2010-03-22T00:00:00+00:00"),
        ("2010-03-27 1230+0130", "2010-03-27T12:30:00+01:30"),
        ("2010-03-27T12:30:15,25-01", "2010-03-27T12:30:15.250000-01:00"),
        ("2010-03-27T12:30:15.9999995", "2010-03-27T12:30:16+00:00"),
        ("2010-03-27T12:30:15.99999949", "2010-03-27T12:30:15.999999+00:00"),
        ("2010-03-27T12:00+01:99", "2010-03-27T12:00:00+02:39"),
        ("2010-03-27T12:00-23:59", "2010-03-27T12:00:00-23:59"),
        ("2010-12-31T24", "2011-01-01T00:00:00+00:00"),
        ("0001-01-01T00:00:00+01:00", "0001-01-01T00:00:00+01:00"),
    ] {
        assert_eq!(date(text).to_string(), expected, "{text}");
    }
}

#[test]
fn reads_nothing_else() {
    for (text, part) in [
        ("201", "day"),
        ("2010-", "day"),
        ("2010-3", "day"),
        ("2010-03/27", "day"),
        ("2010-003-27", "day"),
        ("2010--1", "day"),
        ("201003", "day"),
        ("2010-W1", "day"),
        ("2010-W12-6-", "day"),
        ("+010-03-27", "day"),
        ("\u{662}010-03-27", "day"),
        (" 2010-03-27", "day"),
        ("2010-03-27 ", "time"),
        ("2010-03-27T", "time"),
        ("2010-03-27T1", "time"),
        ("2010-03-27T12:", "time"),
        ("2010-03-27T12:3", "time"),
        ("2010-03-27T12:3015", "time"),
        ("2010-03-27T12:30:15:00", "time"),
        ("2010-03-27T12301500", "time"),
        ("2010-03-27T12:30.5", "time"),
        ("2010-03-27T12:30:15.", "time"),
        ("2010-03-27T12:30:15.5.5", "time"),
        ("2010-03-27T12:30:15.5\u{e9}", "time"),
        ("2010-03-27T1\u{e9}", "time"),
        ("2010-03-27T12:00 Z", "time"),
        ("2010-03-27T24:00:00.0000006", "time"),
        ("2010-03-27T12:00z", "offset"),
        ("2010-03-27T12:00ZZ", "offset"),
        ("2010-03-27T12:00+", "offset"),
        ("2010-03-27T12:00+1", "offset"),
        ("2010-03-27T12:00+01:0", "offset"),
        ("2010-03-27T12:00+01:00:00", "offset"),
        ("2010-03-27T12:00+0\u{e9}", "offset"),
    ] {
        assert_eq!(error(text), DateError::Syntax { part }, "{text}");
    }
}

#[test]
fn there_are_no_dates_out_of_range() {
    for (text, part) in [
        ("0000-01-01", "year"),
        ("9999-12-31T24:00", "year"),
        ("9999-12-31T23:59:59.9999999", "year"),
        ("2010-02-29", "day"),
        ("2010-13-01", "day"),
        ("2010-00-01", "day"),
        ("2010-1-0", "day"),
        ("2010-000", "day"),
        ("2010-366", "day"),
        ("2010-W54", "day"),
        ("2010-W53", "day"),
        ("2010-W12-8", "day"),
        ("2010-03-27T25", "time"),
        ("2010-03-27T12:60", "time"),
        ("2010-03-27T12:00:60", "time"),
        ("2010-03-27T12:00+24:00", "offset"),
        ("2010-03-27T12:00-23:60", "offset"),
    ] {
        assert_eq!(error(text), DateError::OutOfRange { part }, "{text}");
    }
}

#[test]
fn writes_seconds_of_offsets() {
    let local = civil::date(1890, 1, 1).at(12, 0, 0, 999_999_999);
    let at = |seconds| Date::new(local, Offset::from_seconds(seconds).unwrap());
    assert_eq!(at(3_208).unwrap().to_string(), "1890-01-01T12:00:00.999999+00:53:28");
    assert_eq!(at(-5).unwrap().to_string(), "1890-01-01T12:00:00.999999-00:00:05");
    assert_eq!(at(DAY), Err(DateError::OutOfRange { part: "offset" }));
}

#[test]
fn shifting_keeps_the_offset() {
    let shifted = |text, seconds| date(text).shift(seconds).map(|date| date.to_string());
    let next_day = shifted("2016-02-28T23:59:30+01:00", 45.0);
    assert_eq!(next_day, Ok("2016-02-29T00:00:15+01:00".into()));
    let back = shifted("1970-01-01T00:00:00Z", -0.000_001_5);
    assert_eq!(back, Ok("1969-12-31T23:59:59.999998+00:00".into()));
    for seconds in [1e12, -1e12, 1e300, f64::INFINITY, f64::NAN] {
        let year = Err(DateError::OutOfRange { part: "year" });
        assert_eq!(shifted("1970-01-01", seconds), year, "{seconds}");
    }
    assert!(Date::MAX.shift(0.000_001).is_err() && Date::MIN.shift(-0.000_001).is_err());
}

#[test]
fn unix_times_may_count_smaller_units() {
    let from = |seconds| Date::from_unix(seconds).map(|date| date.to_string());
    for seconds in [1_269_648_000.0, 1_269_648_000e3, 1_269_648_000e6] {
        assert_eq!(from(seconds), Ok("2010-03-27T00:00:00+00:00".into()));
    }
    assert_eq!(from(253_402_300_799.0), Ok("9999-12-31T23:59:59+00:00".into()));
    assert_eq!(from(-62_135_596_800.0), Ok("0001-01-01T00:00:00+00:00".into()));
    for seconds in [253_402_300_800.0, 253_402_300_800e6, -62_135_596_801.0, f64::NAN] {
        assert_eq!(from(seconds), Err(DateError::OutOfRange { part: "year" }), "{seconds}");
    }
}

#[test]
fn dates_are_compared_as_instants() {
    let (noon, same) = (date("2010-03-27T12:00+01:00"), date("2010-03-27T11:00Z"));
    assert_eq!(noon, same);
    assert_ne!(noon.offset(), same.offset());
    assert_eq!(HashSet::from([noon, same]).len(), 1);
    assert!(noon < date("2010-03-27T11:00:00.000001Z"));
    assert_eq!(date("2010-03-27T12:00-01:00").seconds_since(noon), 7_200.0);
    assert_eq!(Date::MIN.seconds_since(Date::MAX), -315_537_897_599.999_999);
}

#[test]
fn changes_to_utc_within_the_range() {
    assert_eq!(
        date("2010-03-27T00:30+01:00").to_utc().unwrap().to_string(),
        "2010-03-26T23:30:00+00:00"
    );
    assert_eq!(
        date("0001-01-01T00:00+01:00").to_utc(),
        Err(DateError::OutOfRange { part: "year" })
    );
    assert_eq!(
        date("9999-12-31T23:59-01:00").to_utc(),
        Err(DateError::OutOfRange { part: "year" })
    );
}

#[test]
fn converts_to_and_from_jiff() {
    let noon = date("2010-03-27T12:00:00.5+01:00");
    let zoned = Zoned::try_from(noon).unwrap();
    assert_eq!(zoned.to_string(), "2010-03-27T12:00:00.5+01:00[+01:00]");
    assert_eq!(Date::try_from(&zoned).unwrap().to_string(), "2010-03-27T12:00:00.500000+01:00");
    assert_eq!(Date::try_from(zoned.timestamp()), Ok(noon));
    let before_epoch = Timestamp::from_nanosecond(-1).unwrap();
    assert_eq!(
        Date::try_from(before_epoch).unwrap().to_string(),
        "1969-12-31T23:59:59.999999+00:00"
    );
    assert!(Timestamp::try_from(Date::MAX).is_err());
    assert!(Date::try_from(Timestamp::MIN).is_err());
}

fn decode(json: &str, types: Types) -> Result<Date, CodecError> {
    let codec_context = CodecContext::new(types, Budget::default());
    codec::decode(Format::Json, json.as_bytes(), &codec_context)
}

#[test]
fn travels_as_a_typed_value() {
    let types = Types::new(["point", Types::DATE]);
    let mut json = Vec::new();
    let value = date("2010-03-27T12:00+01:00");
    let codec_context = CodecContext::new(types.clone(), Budget::default());
    codec::encode(Format::Json, &codec_context, &value, &mut json).unwrap();
    assert_eq!(json, br#"{"__type__": [1, "2010-03-27T12:00:00+01:00"]}"#);

    let decode = |data: &str| decode(&format!(r#"{{"__type__": [1, {data}]}}"#), types.clone());
    assert_eq!(decode(r#""2010-03-27T12:00+01:00""#), Ok(value));
    assert_eq!(decode(r#""2010\u002d03-27T12:00+01""#), Ok(value));
    for number in ["1269687600", "1269687600.0", "1269687600000"] {
        assert_eq!(decode(number), Ok(value), "{number}");
    }
    assert_eq!(decode("-1"), Date::from_unix(-1.0).map_err(de::Error::custom));
    for wrong in ["null", "true", "[]", r#""""#, r#""now""#, "1e300"] {
        assert!(decode(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn travels_only_where_dates_are_registered() {
    let json = r#"{"__type__": [0, "2010-03-27"]}"#;
    assert!(decode(json, Types::default().for_container()).is_ok());
    assert!(decode(json, Types::default().for_rpc()).is_err());
    assert!(decode(json, Types::default()).is_err());
    assert!(decode(r#""2010-03-27""#, Types::default().for_container()).is_err());
}

proptest! {
    #[test]
    fn whatever_is_written_can_be_read(
        micros in 0..315_537_897_600_000_000_i64,
        minutes in -1_439..1_440_i32,
    ) {
        let local = Date::MIN.local.saturating_add(SignedDuration::from_micros(micros));
        let written = Date::new(local, Offset::from_seconds(minutes * 60).unwrap()).unwrap();
        let read: Date = written.to_string().parse().unwrap();
        prop_assert_eq!((read.local, read.offset), (written.local, written.offset));
    }

    /// Reading any text neither panics nor leaves the range.
    #[test]
    fn reading_stays_within_the_range(text in "[0-9]{4}[-0-9W/.]{0,9}[T ]?[-+:.,0-9Zz\u{e9}]{0,20}") {
        if let Ok(date) = text.parse::<Date>() {
            prop_assert!((1..=9999).contains(&date.local.year()));
            prop_assert!(date.offset.seconds().abs() < DAY);
            prop_assert_eq!(date.to_string().parse(), Ok(date));
        }
    }
}
