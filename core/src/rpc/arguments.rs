//! The arguments of a received request.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::plain::PlainCall;
use super::span::{INLINE, Span};
use super::{Outcome, RequestError};
use crate::wire::codec::{Cursor, Item};
use crate::wire::{Body, CodecContext, CodecError, Format, Payload, RemoteError};

/// The `args` or `kwargs` of a request, as received.
#[derive(Clone, Copy)]
pub(super) struct Part {
    pub(super) item: Item,
    pub(super) span: Span,
    /// The number of elements or entries.
    pub(super) count: usize,
}

/// The arguments of a request: checked, but not decoded.
///
/// [`bind`](Self::bind) the arguments to the parameters of a function, or take [`args`](Self::args) and
/// [`kwargs`](Self::kwargs) undecoded.
#[derive(Clone)]
pub struct Arguments<'a> {
    payload: &'a Payload,
    pub(super) args: Part,
    pub(super) kwargs: Part,
    /// `true` if all keys of `kwargs` are strings. MsgPack allows keys of any type.
    pub(super) string_keys: bool,
    /// The first positional arguments.
    pub(super) first: [Span; INLINE],
}

impl<'a> Arguments<'a> {
    /// Creates arguments that are still to be read.
    pub(super) const fn new(payload: &'a Payload) -> Self {
        let none = Part { item: Item::Null, span: Span::ABSENT, count: 0 };
        Self { payload, args: none, kwargs: none, string_keys: true, first: [Span::ABSENT; INLINE] }
    }

    /// Creates the arguments of a plain call.
    #[inline]
    pub(super) fn of_plain(payload: &'a Payload, call: &PlainCall) -> Self {
        let args = Part { item: Item::Array, span: call.args, count: call.count };
        let kwargs = Part { item: Item::Map, span: call.kwargs, count: 0 };
        Self { payload, args, kwargs, string_keys: true, first: call.values }
    }

    /// Returns the arguments, if they are exactly `count` positional ones, and few.
    #[inline]
    pub(super) fn exactly(&self, count: usize) -> Option<&[Span]> {
        let plain = self.args.item == Item::Array && self.kwargs.item == Item::Map;
        let fits = plain && self.args.count == count && self.kwargs.count == 0;
        if fits { self.first.get(..count) } else { None }
    }

    /// Walks over the positional arguments, which should be an array.
    pub(super) fn read_args(&mut self, cursor: &mut Cursor<'_>) -> Result<(), RequestError> {
        let item = cursor.peek()?;
        let (start, mut count) = (cursor.position(), 0);
        if item == Item::Array {
            let mut array = cursor.begin_array()?;
            while cursor.next(&mut array)? {
                let range = cursor.skip()?;
                if let Some(span) = self.first.get_mut(count) {
                    *span = Span::new(range)?;
                }
                count += 1;
            }
        } else {
            cursor.skip()?;
        }
        self.args = Part { item, span: Span::new(start..cursor.position())?, count };
        Ok(())
    }

    /// Walks over the keyword arguments, which should be a map.
    pub(super) fn read_kwargs(&mut self, cursor: &mut Cursor<'_>) -> Result<(), RequestError> {
        let item = cursor.peek()?;
        let (start, mut count) = (cursor.position(), 0);
        if item == Item::Map {
            let mut map = cursor.begin_map()?;
            while cursor.next(&mut map)? {
                self.string_keys &= cursor.peek()? == Item::Str;
                cursor.skip()?;
                cursor.value()?;
                cursor.skip()?;
                count += 1;
            }
        } else {
            cursor.skip()?;
        }
        self.kwargs = Part { item, span: Span::new(start..cursor.position())?, count };
        Ok(())
    }

    /// Returns the positional arguments as received: an array, if the caller follows the protocol.
    #[must_use]
    pub fn args(&self) -> Payload {
        self.payload_of(self.args.span)
    }

    /// Returns the keyword arguments as received: a map, if the caller follows the protocol.
    #[must_use]
    pub fn kwargs(&self) -> Payload {
        self.payload_of(self.kwargs.span)
    }

    /// Returns the whole content of the request, to [parse](super::Request::parse) again later.
    ///
    /// The payload does not keep its read buffer alive, so it may be stored.
    #[must_use]
    pub fn to_payload(&self) -> Payload {
        self.payload.clone().unpinned()
    }

    /// Returns the format of the arguments, in which the answer must be encoded.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.payload.format()
    }

    /// Returns the context for decoding the arguments and encoding the answer.
    #[must_use]
    pub const fn codec_context(&self) -> &CodecContext {
        self.payload.codec_context()
    }

    /// Returns an encoder for an answer that is given later. It does not hold the arguments.
    #[must_use]
    pub fn encoder(&self) -> Encoder {
        Encoder { format: self.format(), codec_context: self.codec_context().clone() }
    }

    /// Encodes an answer to this request.
    ///
    /// # Errors
    /// Returns a `SerializationError` if the value cannot be encoded.
    pub fn encode<T: Serialize + ?Sized>(&self, value: &T) -> Result<Body, RemoteError> {
        encode(self.format(), self.codec_context(), value)
    }

    /// Answers with `value`, or with a `SerializationError` if it cannot be encoded.
    pub fn answer<L, T: Serialize + ?Sized>(&self, value: &T) -> Outcome<L> {
        Outcome::Done(self.encode(value))
    }

    /// Starts a second walk over `part`. The first walk has checked it, so this one does not fail.
    pub(super) fn walk(&self, part: Part) -> Cursor<'_> {
        Cursor::new(self.format(), self.slice(part.span), self.codec_context().budget())
    }

    /// Decodes the value at `span`.
    #[inline]
    pub(super) fn decode<T: Deserialize<'a>>(&self, span: Span) -> Result<T, CodecError> {
        self.payload.decode_part(span.range())
    }

    pub(super) fn slice(&self, span: Span) -> &[u8] {
        self.payload.bytes().get(span.range()).unwrap_or_default()
    }

    pub(super) fn payload_of(&self, span: Span) -> Payload {
        self.payload.slice(span.range())
    }
}

impl fmt::Debug for Arguments<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Arguments")
            .field("format", &self.format())
            .field("args", &self.args().into_bytes())
            .field("kwargs", &self.kwargs().into_bytes())
            .finish()
    }
}

/// An encoder of answers, in the format and context of the request.
#[derive(Clone, Debug)]
pub struct Encoder {
    format: Format,
    codec_context: CodecContext,
}

impl Encoder {
    /// Creates an encoder for answers in `format` to a connection with `codec_context`.
    #[must_use]
    pub const fn new(format: Format, codec_context: CodecContext) -> Self {
        Self { format, codec_context }
    }

    /// Encodes an answer.
    ///
    /// # Errors
    /// Returns a `SerializationError` if the value cannot be encoded.
    pub fn encode<T: Serialize + ?Sized>(&self, value: &T) -> Result<Body, RemoteError> {
        encode(self.format, &self.codec_context, value)
    }
}

pub(super) fn encode<T: Serialize + ?Sized>(
    format: Format,
    codec_context: &CodecContext,
    value: &T,
) -> Result<Body, RemoteError> {
    Body::encode(format, codec_context, value).map_err(RemoteError::serialization)
}
