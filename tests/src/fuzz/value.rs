//! Values.

use aiomas_core::wire::codec::{self, Cursor};
use aiomas_core::wire::{Budget, CodecError, Notation, Scope, Types, Value};

/// Decodes a value, encodes it and decodes it again.
///
/// # Panics
/// If it comes back another one, or a small budget changes more than that it is exceeded.
pub fn value(data: &[u8]) {
    let Some((&choice, data)) = data.split_first() else { return };
    let notation = if choice & 1 == 0 { Notation::Json } else { Notation::MsgPack };
    let scope = |budget| Scope::new(Types::new(["date", "point", "proxy"]), budget);
    let budget = Budget::new(64, 10_000);
    let decode = |bytes: &[u8], budget| codec::decode::<Value>(notation, bytes, &scope(budget));

    let decoded = decode(data, budget);
    let mut cursor = Cursor::new(notation, data, budget);
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
    let written = codec::encode(notation, &scope(budget), &value, &mut encoded);
    assert_eq!(written, Ok(()), "{value:?}");
    assert_same(Ok(&value), decode(&encoded, budget).as_ref());
}

/// Compares as text, for the sake of `NaN`.
fn assert_same(a: Result<&Value, &CodecError>, b: Result<&Value, &CodecError>) {
    assert_eq!(format!("{a:?}"), format!("{b:?}"));
}
