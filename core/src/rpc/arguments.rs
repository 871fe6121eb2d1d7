//! The arguments of a request that came in.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::plain::PlainCall;
use super::span::{INLINE, Span};
use super::{Outcome, RequestError};
use crate::wire::codec::{Cursor, Item};
use crate::wire::{Body, CodecContext, CodecError, Format, Payload, RemoteError};

/// `args` or `kwargs` as they came.
#[derive(Clone, Copy)]
pub(super) struct Part {
    pub(super) item: Item,
    pub(super) span: Span,
    /// How many elements or entries there are.
    pub(super) count: usize,
}

/// The arguments of a request: walked over, but not decoded.
///
/// [`bind`](Self::bind) them to a function's parameters, or take [`args`](Self::args) and
/// [`kwargs`](Self::kwargs) as they are.
#[derive(Clone)]
pub struct Arguments<'a> {
    payload: &'a Payload,
    pub(super) args: Part,
    pub(super) kwargs: Part,
    /// Whether all keys of `kwargs` are strings. In MsgPack they can be anything.
    pub(super) string_keys: bool,
    /// The first positional arguments.
    pub(super) first: [Span; INLINE],
}

impl<'a> Arguments<'a> {
    /// Arguments that are still to be read.
    pub(super) const fn new(payload: &'a Payload) -> Self {
        let none = Part { item: Item::Null, span: Span::ABSENT, count: 0 };
        Self { payload, args: none, kwargs: none, string_keys: true, first: [Span::ABSENT; INLINE] }
    }

    /// The arguments of a plain call.
    #[inline]
    pub(super) fn of_plain(payload: &'a Payload, call: &PlainCall) -> Self {
        let args = Part { item: Item::Array, span: call.args, count: call.count };
        let kwargs = Part { item: Item::Map, span: call.kwargs, count: 0 };
        Self { payload, args, kwargs, string_keys: true, first: call.values }
    }

    /// The arguments, if they are `count` positional ones, and few.
    #[inline]
    pub(super) fn exactly(&self, count: usize) -> Option<&[Span]> {
        let plain = self.args.item == Item::Array && self.kwargs.item == Item::Map;
        let fits = plain && self.args.count == count && self.kwargs.count == 0;
        if fits { self.first.get(..count) } else { None }
    }

    /// Walks over the array of positional arguments, or whatever is in its place.
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

    /// Walks over the map of keyword arguments, or whatever is in its place.
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

    /// The positional arguments as they came: an array, if the caller follows the rules.
    #[must_use]
    pub fn args(&self) -> Payload {
        self.payload_of(self.args.span)
    }

    /// The keyword arguments as they came: a map, if the caller follows the rules.
    #[must_use]
    pub fn kwargs(&self) -> Payload {
        self.payload_of(self.kwargs.span)
    }

    /// The whole content of the request, to be [parsed](super::Request::parse) again later. It does not hold the buffer
    /// that it was read into, so it may wait.
    #[must_use]
    pub fn to_payload(&self) -> Payload {
        self.payload.clone().unpinned()
    }

    /// What the arguments are written in, and the answer has to be.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.payload.format()
    }

    /// What arguments are decoded, and answers encoded, against.
    #[must_use]
    pub const fn codec_context(&self) -> &CodecContext {
        self.payload.codec_context()
    }

    /// Encodes answers to this request. For those that come later: it does not hold the arguments.
    #[must_use]
    pub fn encoder(&self) -> Encoder {
        Encoder { format: self.format(), codec_context: self.codec_context().clone() }
    }

    /// Encodes an answer to this request.
    ///
    /// # Errors
    /// A `SerializationError` if the value cannot be encoded.
    pub fn encode<T: Serialize + ?Sized>(&self, value: &T) -> Result<Body, RemoteError> {
        encode(self.format(), self.codec_context(), value)
    }

    /// Answers with `value`; with a `SerializationError` if that cannot be encoded.
    pub fn answer<L, T: Serialize + ?Sized>(&self, value: &T) -> Outcome<L> {
        Outcome::Done(self.encode(value))
    }

    /// A second walk over `part`. It has been gone once, so it meets nothing unexpected.
    pub(super) fn walk(&self, part: Part) -> Cursor<'_> {
        Cursor::new(self.format(), self.slice(part.span), self.codec_context().budget())
    }

    /// Decodes the value that lies there.
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
            .field("notation", &self.format())
            .field("args", &self.args().into_bytes())
            .field("kwargs", &self.kwargs().into_bytes())
            .finish()
    }
}

/// Encodes the answer to a request, in the format and scope that the request came in.
#[derive(Clone, Debug)]
pub struct Encoder {
    format: Format,
    codec_context: CodecContext,
}

impl Encoder {
    /// An encoder for answers in `format` to a connection with `codec_context`.
    #[must_use]
    pub const fn new(format: Format, codec_context: CodecContext) -> Self {
        Self { format, codec_context }
    }

    /// Encodes an answer.
    ///
    /// # Errors
    /// A `SerializationError` if the value cannot be encoded.
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
