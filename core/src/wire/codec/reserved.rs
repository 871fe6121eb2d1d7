//! Checks of the key of typed values, under which any map could forge one.

use super::super::typed::KEY;
use super::super::{CodecContext, CodecError, Types};
use super::{Cursor, Format};

/// Checks data written under [`KEY`] by a type other than the value's own.
///
/// Such data comes from a [`Value`](super::super::Value), or from any map that has kept data of a peer. On connections
/// with references to services, the data must not be a reference: the receiver would look up the service on this side,
/// although the reference named one elsewhere. The data must also be a value of a registered type, because Python
/// unpacks any iterable of two items as a pair, not only an array.
#[cold]
pub(super) fn check(format: Format, written: &[u8]) -> Result<(), CodecError> {
    let Some(codec_context) = CodecContext::current() else { return Ok(()) };
    let types = codec_context.types();
    if !codec_context.is_guarded() || types.id(Types::PROXY).is_none() {
        return Ok(());
    }
    let no_value = || {
        CodecError::Value(format!(
            "the data under the key \"{KEY}\" is no value of a registered type, but the receiver would take it for one"
        ))
    };
    let id = id(format, written).map_err(|_| no_value())?;
    match types.name(id) {
        Some(Types::PROXY) => Err(CodecError::Value(
            "a reference to a service cannot be sent on in a `Value` or a map: for the receiver it would be a service of \
             this side; send the service or agent itself, or its URL (`AgentUrl`), and let the receiver connect"
                .into(),
        )),
        Some(_) => Ok(()),
        None => Err(CodecError::UnknownTypeId { id }),
    }
}

/// Returns the type in `[type, data]`.
///
/// Only the beginning of the data is checked: parts of the data may not be written yet.
fn id(format: Format, pair: &[u8]) -> Result<u64, CodecError> {
    let wrong = CodecError::Syntax { at: 0, what: "not a pair of a type and data" };
    let mut cursor = Cursor::new(format, pair, Default::default());
    let mut array = cursor.begin_array()?;
    if array.announced(format).is_some_and(|count| count != 2) || !cursor.next(&mut array)? {
        return Err(wrong);
    }
    let Some(id) = cursor.natural()? else { return Err(wrong) };
    if cursor.next(&mut array)? { Ok(id) } else { Err(wrong) }
}
