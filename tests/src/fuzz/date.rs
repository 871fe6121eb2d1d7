//! Dates.

use aiomas_core::clock::{Date, ExternalClock, When};
use aiomas_core::wire::codec::{decode, encode};
use aiomas_core::wire::{Budget, CodecContext, Format, Types};

/// Reads a date from a text, a Unix time or a peer's encoding.
///
/// # Panics
/// Text or wire lose the date or its offset, or an external clock that starts with it disagrees.
pub fn date(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else { return };
    let codec_context = CodecContext::new(Types::default().for_container(), Budget::default());
    let date = match choice % 4 {
        0 => str::from_utf8(data).ok().and_then(|text| text.parse().ok()),
        1 => number(data).and_then(|seconds| Date::from_unix(seconds).ok()),
        2 => decode(Format::Json, data, &codec_context).ok(),
        _ => decode(Format::MsgPack, data, &codec_context).ok(),
    };
    let Some(date) = date else { return };
    let same = |other: Date| {
        assert_eq!((other, other.offset(), other.local()), (date, date.offset(), date.local()));
    };
    same(date.to_string().parse().expect("its own text"));
    for format in [Format::Json, Format::MsgPack] {
        let mut bytes = Vec::new();
        encode(format, &codec_context, &date, &mut bytes).expect("a date");
        same(decode(format, &bytes, &codec_context).expect("our own bytes"));
    }
    let Ok(utc) = date.to_utc() else { return };
    assert_eq!(utc, date);
    same(utc.to_offset(date.offset()).expect("the original offset"));

    // Within a day, floats are precise to less than a microsecond.
    let by = f64::from(choice / 4) * 1_234.567_891;
    let Ok(later) = date.shift(by) else { return };
    assert!((later.seconds_since(date) - by).abs() < 1e-6);
    let (Ok(mut clock), true) = (ExternalClock::new(date, 0.0), by > 0.0) else { return };
    let until = When::Date(later);
    let Ok(key) = clock.sleep_until(until, ()) else { panic!("{later} is after {date}") };
    clock.set_time(by + 1e-5).expect("later");
    assert_eq!(clock.expired(), Some(()));
    assert_eq!(clock.cancel(key), None);
    assert!(clock.utc_now() >= later);
}

fn number(data: &[u8]) -> Option<f64> {
    Some(f64::from_le_bytes(*data.first_chunk()?))
}
