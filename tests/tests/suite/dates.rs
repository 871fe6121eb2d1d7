//! Parsing of dates, compared with Python's arrow.

use aiomas_core::clock::{Date, DateError};
use aiomas_core::wire::Format;
use aiomas_tests::{fuzz, message};
use proptest::prelude::*;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    text: Option<String>,
    number: Option<f64>,
    python: Option<String>,
    python_error: Option<String>,
}

#[test]
fn dates_are_read_as_arrow_reads_them() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("../../data/dates.json")).unwrap();
    assert!(!cases.is_empty());
    for Case { text, number, python, python_error } in cases {
        let read = match (&text, number) {
            (Some(text), _) => text.parse(),
            (None, number) => Date::from_unix(number.unwrap()),
        };
        let expected = match python_error.as_deref() {
            None => Ok(python.unwrap()),
            Some("ParserError") => Err("syntax"),
            Some("ValueError") => Err("range"),
            Some(other) => panic!("what is {other}?"),
        };
        let read = read.map(|date| date.to_string()).map_err(|error| match error {
            DateError::Syntax { .. } => "syntax",
            _ => "range",
        });
        assert_eq!(read, expected, "{text:?} {number:?}");
    }
}

/// Returns dates in the formats of arrow and others, and near misses.
fn text() -> impl Strategy<Value = String> {
    let part = |pattern| prop::option::weighted(0.8, pattern).prop_map(Option::unwrap_or_default);
    (
        "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])|[0-9/.W-]{0,10}",
        part("[T ]([01][0-9]|2[0-4]):[0-5][0-9](:[0-5][0-9]([.,][0-9]{1,9})?)?"),
        part("Z|[+-]([01][0-9]|2[0-3])(:?[0-5][0-9])?"),
    )
        .prop_map(|(day, time, offset)| day + &time + &offset)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    /// See `fuzz::date`.
    #[test]
    fn dates_come_back_with_their_offsets(choice in any::<u8>(), text in text()) {
        let [plain, json, msgpack] = [0, 2, 3].map(|kind| choice & !3 | kind);
        fuzz::date(&[&[plain], text.as_bytes()].concat());
        let typed = serde_json::json!({"__type__": [0, text]});
        for (choice, format) in [(json, Format::Json), (msgpack, Format::MsgPack)] {
            fuzz::date(&[&[choice], &message::encoded(format, &typed)[..]].concat());
        }
    }

    #[test]
    fn unix_times_come_back(choice in any::<u8>(), seconds in prop_oneof![-1e11..1e15_f64, any::<f64>()]) {
        fuzz::date(&[&[choice & !3 | 1], &f64::to_le_bytes(seconds)[..]].concat());
    }
}
