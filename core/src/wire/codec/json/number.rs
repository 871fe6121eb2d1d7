//! Numbers as Python's `json.dumps` writes them.

use std::io::Write;

use bytes::BufMut;
use serde::ser::Error;

use super::super::super::CodecError;

/// Writes a float as `repr()` does: the fewest digits that read as the same number.
pub(super) fn write_float(value: f64, out: &mut Vec<u8>) -> Result<(), CodecError> {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        write_sign(value, out);
        write_u64(value.abs() as u64, out);
        out.put_slice(b".0");
        return Ok(());
    }
    // If a number of up to 15 digits reads as `value`, it is the only such number.
    let millionths = (value.abs() * 1e6).round();
    if (1e2..1e15).contains(&millionths) && millionths / 1e6 == value.abs() {
        write_sign(value, out);
        write_millionths(millionths as u64, out);
        return Ok(());
    }
    let written = match value {
        _ if value.is_nan() => out.write_all(b"NaN"),
        f64::INFINITY => out.write_all(b"Infinity"),
        f64::NEG_INFINITY => out.write_all(b"-Infinity"),
        _ => match value.abs() {
            1e-4..1e16 => {
                let text = format!("{value:?}");
                out.write_all(
                    nearest_even(value, text, |places| format!("{value:.places$}")).as_bytes(),
                )
            }
            // Rust has 1e16 and 1e-5 where Python has 1e+16 and 1e-05.
            _ => {
                let text = format!("{value:e}");
                let text = nearest_even(value, text, |places| format!("{value:.places$e}"));
                let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
                let (sign, exponent) =
                    exponent.strip_prefix('-').map_or(('+', exponent), |rest| ('-', rest));
                write!(out, "{digits}e{sign}{exponent:0>2}")
            }
        },
    };
    written.map_err(CodecError::custom)
}

fn write_sign(value: f64, out: &mut Vec<u8>) {
    if value.is_sign_negative() {
        out.push(b'-');
    }
}

/// Breaks ties between two texts that are equally short and equally near.
///
/// Rust takes the greater text, and Python the one with the even digit: `rounded` to as many places as `text` has.
fn nearest_even(value: f64, text: String, rounded: impl FnOnce(usize) -> String) -> String {
    // Texts of up to 15 digits are unique. A tie requires a number with few binary places.
    if text.len() <= 15 || (value * f64::from(1 << 17)).fract() != 0.0 {
        return text;
    }
    let places = text.split_once('.').map_or("", |(_, places)| places);
    let even = rounded(places.bytes().take_while(u8::is_ascii_digit).count());
    if even.parse() == Ok(value) { even } else { text }
}

fn write_millionths(number: u64, out: &mut Vec<u8>) {
    write_u64(number / 1_000_000, out);
    out.push(b'.');
    let mut rest = number % 1_000_000;
    while rest > 0 {
        out.push(b'0' + (rest / 100_000) as u8);
        rest = rest % 100_000 * 10;
    }
}

/// Writes `number` in decimal digits.
#[inline]
pub(in super::super::super) fn write_u64(number: u64, out: &mut Vec<u8>) {
    match number {
        0..10 => out.push(b'0' + number as u8),
        10..100 => out.put_slice(&[b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]),
        100.. => write_long(number, out),
    }
}

#[inline(never)]
fn write_long(number: u64, out: &mut Vec<u8>) {
    let [thousands, hundreds, tens, ones] = digits((number % 10_000) as u32);
    match number {
        ..1_000 => out.put_slice(&[hundreds, tens, ones]),
        1_000..10_000 => out.put_slice(&[thousands, hundreds, tens, ones]),
        10_000.. => {
            write_u64(number / 10_000, out);
            out.put_slice(&[thousands, hundreds, tens, ones]);
        }
    }
}

/// Returns the four digits of a number below 10,000.
const fn digits(number: u32) -> [u8; 4] {
    let (high, low) = (number / 100, number % 100);
    [
        b'0' + (high / 10) as u8,
        b'0' + (high % 10) as u8,
        b'0' + (low / 10) as u8,
        b'0' + (low % 10) as u8,
    ]
}
