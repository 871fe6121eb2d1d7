//! Values.

use aiomas_core::wire::codec::{self, Cursor};
use aiomas_core::wire::{Budget, CodecContext, CodecError, Format, Types, Value};

/// Decodes a value, encodes it and decodes it again.
///
/// # Panics
/// The second value differs, or a small budget has an effect other than its own error.
pub fn value(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else { return };
    let format = if choice & 1 == 0 { Format::Json } else { Format::MsgPack };
    let codec_context = |budget| CodecContext::new(Types::new(["date", "point", "proxy"]), budget);
    let budget = Budget::new(64, 10_000);
    let decode =
        |bytes: &[u8], budget| codec::decode::<Value>(format, bytes, &codec_context(budget));

    let decoded = decode(data, budget);
    let mut cursor = Cursor::new(format, data, budget);
    let walked = cursor.skip().and_then(|_| cursor.end());
    assert!(decoded.is_err() || walked.is_ok(), "{decoded:?} {walked:?}");

    let small = Budget::new(u32::from(choice >> 4), u32::from(choice >> 1));
    match decode(data, small) {
        Ok(value) => assert_same(Ok(&value), decoded.as_ref()),
        Err(CodecError::TooDeep { limit }) => assert_eq!(limit, small.depth),
        Err(CodecError::TooManyNodes { limit }) => assert_eq!(limit, small.nodes),
        Err(_) => assert!(decoded.is_err()),
    }

    let Ok(value) = decoded else { return };
    let mut encoded = Vec::new();
    let written = codec::encode(format, &codec_context(budget), &value, &mut encoded);
    assert_eq!(written, Ok(()), "{value:?}");
    assert_same(Ok(&value), decode(&encoded, budget).as_ref());
}

/// Compares as text, because `NaN` differs from itself.
fn assert_same(a: Result<&Value, &CodecError>, b: Result<&Value, &CodecError>) {
    assert_eq!(format!("{a:?}"), format!("{b:?}"));
}
