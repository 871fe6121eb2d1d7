//! The key of typed values, under which anything can be written that a peer then takes for one.

use super::super::typed::KEY;
use super::super::{CodecContext, CodecError, Types};
use super::{Cursor, Format};

/// Checks what has been written under [`KEY`] otherwise than by the value's own type: by a
/// [`Value`](super::super::Value), or by any map that has kept what came from a peer.
///
/// On connections that have references to services, it must not be one, because it would name a service of ours,
/// whoever's it was where it came from. Nor may it be anything else than a value of a registered type: what Python takes
/// apart as a pair is more than an array of two.
#[cold]
pub(super) fn check(format: Format, written: &[u8]) -> Result<(), CodecError> {
    let Some(codec_context) = CodecContext::current() else { return Ok(()) };
    let types = codec_context.types();
    if !codec_context.is_guarded() || types.id(Types::PROXY).is_none() {
        return Ok(());
    }
    let no_value = || {
        CodecError::Value(format!(
            "what is under the key \"{KEY}\" is no value of a registered type, but the receiver would take it for one"
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

/// The type in `[type, data]`. Of the data no more is looked at than where they begin: parts of them may not be there
/// yet.
fn id(format: Format, pair: &[u8]) -> Result<u64, CodecError> {
    let wrong = CodecError::Syntax { at: 0, what: "no pair of a type and data" };
    let mut cursor = Cursor::new(format, pair, Default::default());
    let mut array = cursor.begin_array()?;
    if array.announced(format).is_some_and(|count| count != 2) || !cursor.next(&mut array)? {
        return Err(wrong);
    }
    let Some(id) = cursor.natural()? else { return Err(wrong) };
    if cursor.next(&mut array)? { Ok(id) } else { Err(wrong) }
}
