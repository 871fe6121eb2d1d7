//! Envelopes: the parser that only finds the parts, against one that decodes everything.

use aiomas_core::wire::{
    Budget, CodecError, Envelope, Kind, MessageId, Notation, Scope, Types, Value, codec,
};
use bytes::Bytes;

/// A JSON message.
///
/// # Panics
/// If the two parsers do not agree.
pub fn envelope_json(data: &[u8]) {
    compare(Notation::Json, data);
}

/// A MsgPack message.
///
/// # Panics
/// If the two parsers do not agree.
pub fn envelope_msgpack(data: &[u8]) {
    compare(Notation::MsgPack, data);
}

/// A message's type, id and content.
type Parts = (u64, Value, Value);

fn compare(notation: Notation, data: &[u8]) {
    let scope = Scope::new(Types::new(["date", "point", "proxy"]), Budget::new(16, 1000));
    let (by_parts, whole) = (by_parts(notation, data, &scope), whole(notation, data, &scope));
    // A message has more levels and more values than its parts.
    let over = |error: &CodecError| {
        matches!(error, CodecError::TooDeep { .. } | CodecError::TooManyNodes { .. })
    };
    if by_parts.as_ref().is_err_and(over) || whole.as_ref().is_err_and(over) {
        return;
    }
    if by_parts.is_err() && is_odd(notation, data) {
        return;
    }
    // As text, for the sake of NaN.
    assert_eq!(format!("{:?}", by_parts.ok()), format!("{:?}", whole.ok().flatten()));
}

/// Whether the message's type is a natural number that is written as a signed one. Nobody does, and it is
/// refused.
fn is_odd(notation: Notation, data: &[u8]) -> bool {
    let first = match notation {
        Notation::Json => {
            let mut visible = data.iter().filter(|byte| !byte.is_ascii_whitespace());
            visible.nth(1)
        }
        Notation::MsgPack => match data {
            [0xdc, _, _, first, ..] | [0xdd, _, _, _, _, first, ..] | [_, first, ..] => Some(first),
            _ => None,
        },
    };
    matches!(
        (notation, first),
        (Notation::Json, Some(b'-')) | (Notation::MsgPack, Some(0xd0..=0xd3))
    )
}

fn by_parts(notation: Notation, data: &[u8], scope: &Scope) -> Result<Parts, CodecError> {
    let payload = Bytes::copy_from_slice(data);
    let envelope = Envelope::parse(notation, payload, scope.budget())?;
    let kind = match envelope.kind {
        Kind::Request => 0,
        Kind::Result => 1,
        Kind::Failure => 2,
        Kind::Extension(code) => code,
        other => panic!("a kind that is not known: {other:?}"),
    };
    let id = match envelope.id {
        MessageId::Number(id) => Value::from(id),
        MessageId::Other(bytes) => codec::decode(notation, &bytes, scope)?,
    };
    Ok((kind, id, codec::decode(notation, &envelope.content, scope)?))
}

/// `None`: a value, but no message.
fn whole(notation: Notation, data: &[u8], scope: &Scope) -> Result<Option<Parts>, CodecError> {
    let value: Value = codec::decode(notation, data, scope)?;
    let Some([kind, id, content]) = value.as_list() else { return Ok(None) };
    Ok(kind.as_u64().map(|kind| (kind, id.clone(), content.clone())))
}
