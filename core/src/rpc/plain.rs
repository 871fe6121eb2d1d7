//! A fast path for the most common calls.
//!
//! It accepts calls with a plain path, up to eight numbers or plain strings, and no keywords. The slow path, which uses
//! [`Cursor`](crate::wire::codec::Cursor), accepts these calls too, with the same result, and handles all other calls.

use std::ops::Range;

use super::span::{INLINE, Span};
use crate::wire::codec::plain;
use crate::wire::{Budget, Format};

/// The positions of the parts of a plain call.
#[derive(Debug)]
pub(super) struct PlainCall {
    /// The path, in ASCII and without escapes.
    pub(super) path: Range<usize>,
    pub(super) args: Span,
    pub(super) kwargs: Span,
    pub(super) count: usize,
    /// The arguments.
    pub(super) values: [Span; INLINE],
}

impl PlainCall {
    #[inline]
    pub(super) fn find(format: Format, content: &[u8], budget: Budget) -> Option<Self> {
        // This budget is enough for all plain calls.
        if budget.depth < 2 || budget.nodes < 32 {
            return None;
        }
        match format {
            Format::MsgPack => find_msgpack(content),
            Format::Json => find_json(content),
        }
    }
}

#[inline]
fn find_msgpack(bytes: &[u8]) -> Option<PlainCall> {
    let [0x93, path @ 0xa0..=0xbf, ..] = *bytes else { return None };
    let path = 2..2 + usize::from(path & 0x1f);
    let args = path.end;
    if !bytes.get(path.clone())?.is_ascii() {
        return None;
    }
    let count @ 0..=INLINE = usize::from(bytes.get(args)?.checked_sub(0x90)?) else { return None };
    let mut values = [Span::ABSENT; INLINE];
    let mut at = args + 1;
    for value in &mut values[..count] {
        let start = at;
        at += match *bytes.get(at)? {
            0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => 1,
            0xcc | 0xd0 => 2,
            0xcd | 0xd1 => 3,
            0xca | 0xce | 0xd2 => 5,
            0xcb | 0xcf | 0xd3 => 9,
            head @ 0xa0..=0xbf => {
                let length = usize::from(head & 0x1f);
                plain_text(bytes.get(at + 1..at + 1 + length)?)?;
                1 + length
            }
            _ => return None,
        };
        *value = Span::short(start..at);
    }
    // Only the empty map of keywords follows.
    (bytes.get(at..)? == [0x80]).then_some(PlainCall {
        path,
        args: Span::short(args..at),
        kwargs: Span::short(at..at + 1),
        count,
        values,
    })
}

#[inline]
fn find_json(bytes: &[u8]) -> Option<PlainCall> {
    let after =
        |at: usize, text: &[u8]| bytes.get(at..)?.starts_with(text).then_some(at + text.len());
    let start = after(0, b"[\"")?;
    let path = start..text_end(bytes, start)?;
    let args = after(path.end, b"\", ")?;
    let mut values = [Span::ABSENT; INLINE];
    let mut count = 0;
    let mut at = after(args, b"[")?;
    if bytes.get(at) != Some(&b']') {
        loop {
            let end = match bytes.get(at)? {
                b'"' => text_end(bytes, at + 1)? + 1,
                _ => number_end(bytes, at)?,
            };
            *values.get_mut(count)? = Span::short(at..end);
            count += 1;
            at = end;
            match after(at, b", ") {
                Some(next) => at = next,
                None => break,
            }
        }
    }
    let end = after(at, b"]")?;
    let kwargs = after(end, b", ")?;
    (bytes.get(kwargs..)? == b"{}]").then_some(PlainCall {
        path,
        args: Span::short(args..end),
        kwargs: Span::short(kwargs..kwargs + 2),
        count,
        values,
    })
}

fn plain_text(bytes: &[u8]) -> Option<()> {
    bytes.iter().all(|byte| matches!(byte, b' '..=b'~')).then_some(())
}

/// Returns the end of the plain string that begins at `start`.
fn text_end(bytes: &[u8], start: usize) -> Option<usize> {
    let end = start + plain::<true>(bytes.get(start..)?);
    (bytes.get(end) == Some(&b'"')).then_some(end)
}

/// Returns the end of the integer of up to 18 digits that begins at `start`.
fn number_end(bytes: &[u8], start: usize) -> Option<usize> {
    let digits = start + usize::from(bytes.get(start) == Some(&b'-'));
    let rest = bytes.get(digits..)?;
    let length = rest.iter().position(|byte| !byte.is_ascii_digit())?;
    let canonical = length == 1 || (rest[0] != b'0' && (2..=18).contains(&length));
    (canonical && matches!(rest[length], b',' | b']')).then_some(digits + length)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rpc::{Call, Request};
    use crate::wire::{CodecContext, Payload};

    /// Generates calls, most of them plain, sometimes with one byte changed.
    fn content(format: Format) -> impl Strategy<Value = Vec<u8>> {
        let argument = (0..9, any::<i64>(), "[ -~]{0,40}", any::<f64>());
        let arguments = prop::collection::vec(argument, 0..10);
        let change = prop::option::weighted(0.3, (any::<prop::sample::Index>(), any::<u8>()));
        ("[a-z/ü]{0,40}", arguments, prop::bool::weighted(0.2), change).prop_map(
            move |(path, arguments, keyword, change)| {
                let mut call = Call::new(format, &CodecContext::default(), path);
                for (kind, number, text, float) in arguments {
                    call = match kind {
                        0..=2 => call.arg(number >> (number & 63)),
                        3..=5 => call.arg(&text),
                        6 => call.arg(float),
                        7 => call.arg([number]),
                        _ => call.arg([None, Some(true)][usize::from(number > 0)]),
                    };
                }
                if keyword {
                    call = call.kwarg("k", 1);
                }
                let mut bytes = call.finish().expect("a call").bytes().to_vec();
                if let Some((index, byte)) = change {
                    let index = index.index(bytes.len());
                    bytes[index] = byte;
                }
                bytes
            },
        )
    }

    fn check(format: Format, bytes: Vec<u8>) -> bool {
        let Some(plain) = PlainCall::find(format, &bytes, Budget::default()) else {
            return false;
        };
        let payload = Payload::new(format, bytes.into(), CodecContext::default());
        let short = Request::parse(&payload);
        let long = Request::parse_any(&payload);
        match (short, long) {
            (Ok(short), Ok(long)) => {
                assert_eq!(short.path, long.path);
                assert_eq!(format!("{:?}", short.arguments), format!("{:?}", long.arguments));
                assert_eq!(plain.values, long.arguments.first);
                assert_eq!(plain.count, long.arguments.args.count);
            }
            (short, long) => assert_eq!(short.map(|_| ()).is_ok(), long.map(|_| ()).is_ok()),
        }
        true
    }

    proptest! {
        #[test]
        fn the_short_way_leads_where_the_long_one_does(
            msgpack in content(Format::MsgPack), json in content(Format::Json),
        ) {
            check(Format::MsgPack, msgpack);
            check(Format::Json, json);
        }
    }

    #[test]
    fn takes_what_it_is_for() {
        for format in [Format::Json, Format::MsgPack] {
            let call = |path| Call::new(format, &CodecContext::default(), path);
            for call in [
                call("agents/0/service").arg(42),
                call("add"),
                call("add").arg(-1).arg(i64::from(i32::MIN)).arg("text"),
            ] {
                assert!(check(format, call.finish().expect("a call").bytes().to_vec()));
            }
        }
    }
}
