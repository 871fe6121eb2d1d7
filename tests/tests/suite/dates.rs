//! How Python's arrow reads dates, and how we do.

use aiomas_core::clock::{Date, DateError};
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
