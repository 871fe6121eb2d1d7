//! Content: undecoded as it came, or encoded and ready to go.

use std::cell::Cell;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{CodecError, Notation, Scope, codec};

/// The content of a message that came in, not yet decoded.
///
/// Decoding is left to whoever needs the value, in their own task. Many bytes are shared with the
/// buffer that they were read into: [`detach`](Self::detach) a payload that is kept for long.
#[derive(Clone)]
pub struct Payload {
    notation: Notation,
    bytes: Encoded,
    scope: Scope,
}

impl Payload {
    /// A payload of `bytes` in `notation`, to be decoded in `scope`.
    #[must_use]
    pub const fn new(notation: Notation, bytes: Bytes, scope: Scope) -> Self {
        Self { notation, bytes: Encoded::Large(bytes), scope }
    }

    /// A payload of `bytes`, if they are so few that copying them costs less than sharing.
    #[inline]
    pub(crate) fn small(notation: Notation, bytes: &[u8], scope: &Scope) -> Option<Self> {
        let bytes = Encoded::small(bytes)?;
        Some(Self { notation, bytes, scope: scope.clone() })
    }

    /// Decodes the content. Fields may borrow from the payload.
    ///
    /// # Errors
    /// The bytes are malformed, exceed the scope's [`Budget`](super::Budget), or do not fit `T`.
    pub fn decode<'de, T: Deserialize<'de>>(&'de self) -> Result<T, CodecError> {
        codec::decode(self.notation, self.bytes(), &self.scope)
    }

    /// The encoded content.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get()
    }

    /// The encoded content, shared if it is large.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.bytes.into_bytes()
    }

    /// What the content is written in.
    #[must_use]
    pub const fn notation(&self) -> Notation {
        self.notation
    }

    /// What the content is decoded against.
    #[must_use]
    pub const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Copies the bytes out of the buffer that they were read into, which can then be freed.
    #[must_use]
    pub fn detach(self) -> Self {
        let bytes = match self.bytes {
            Encoded::Large(bytes) => Encoded::Large(Bytes::copy_from_slice(&bytes)),
            small @ Encoded::Small { .. } => small,
        };
        Self { bytes, ..self }
    }

    /// A part of the content that is a value.
    pub(crate) fn slice(&self, range: Range<usize>) -> Self {
        let bytes = match &self.bytes {
            Encoded::Large(bytes) => Encoded::Large(bytes.slice(range)),
            Encoded::Small { bytes, .. } => Encoded::copied(&bytes[range]),
        };
        Self { bytes, notation: self.notation, scope: self.scope.clone() }
    }

    /// The content as it is, to be sent on. Typed values keep their ids, so it must go to a
    /// connection with the same types.
    #[must_use]
    pub fn into_body(self) -> Body {
        Body { notation: self.notation, bytes: self.bytes }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload")
            .field("notation", &self.notation)
            .field("bytes", &Bytes::copy_from_slice(self.bytes()))
            .finish_non_exhaustive()
    }
}

/// Encoded content, ready to be put into a message.
#[derive(Clone)]
pub struct Body {
    notation: Notation,
    bytes: Encoded,
}

/// Most results are numbers or short strings, and most calls have few arguments: those take no allocation, and
/// hold no buffer of the connection.
#[derive(Clone)]
enum Encoded {
    Small { length: u8, bytes: [u8; SMALL] },
    Large(Bytes),
}

/// A call of an agent with a few numbers should fit.
const SMALL: usize = 39;

thread_local! {
    /// Where bodies are encoded, before their size is known.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A larger body takes the scratch buffer with it instead of being copied out of it.
const TAKEN: usize = 1024;

impl Body {
    /// Encodes `value` for a connection that writes `notation` and has `scope`.
    ///
    /// # Errors
    /// The value cannot be written in this notation: bytes in JSON, integers beyond 64 bits in
    /// MsgPack, a type that is not registered, or an error of its own `Serialize`.
    pub fn encode<T: Serialize + ?Sized>(
        notation: Notation,
        scope: &Scope,
        value: &T,
    ) -> Result<Self, CodecError> {
        // Taken out while user code runs: a `Serialize` may well encode another body.
        let mut out = SCRATCH.take();
        out.clear();
        let result = codec::encode(notation, scope, value, &mut out);
        let bytes = if out.len() < TAKEN {
            Encoded::copied(&out)
        } else {
            Encoded::Large(std::mem::take(&mut out).into())
        };
        SCRATCH.set(out);
        result.map(|()| Self { notation, bytes })
    }

    /// A body of bytes that are already encoded: exactly one value in `notation`.
    #[must_use]
    pub const fn from_encoded(notation: Notation, bytes: Bytes) -> Self {
        Self { notation, bytes: Encoded::Large(bytes) }
    }

    /// What the body is written in.
    #[must_use]
    pub const fn notation(&self) -> Notation {
        self.notation
    }

    /// The encoded bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get()
    }

    /// The encoded bytes, shared if there are many.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.bytes.into_bytes()
    }

    /// The bytes, if they are shared and need not be copied.
    pub(crate) const fn shared(&self) -> Option<&Bytes> {
        match &self.bytes {
            Encoded::Small { .. } => None,
            Encoded::Large(bytes) => Some(bytes),
        }
    }
}

impl Encoded {
    #[inline]
    fn small(encoded: &[u8]) -> Option<Self> {
        let mut bytes = [0; SMALL];
        bytes.get_mut(..encoded.len())?.copy_from_slice(encoded);
        Some(Self::Small { length: encoded.len() as u8, bytes })
    }

    fn copied(encoded: &[u8]) -> Self {
        Self::small(encoded).unwrap_or_else(|| Self::Large(Bytes::copy_from_slice(encoded)))
    }

    #[inline]
    fn get(&self) -> &[u8] {
        match self {
            Self::Small { length, bytes } => &bytes[..usize::from(*length)],
            Self::Large(bytes) => bytes,
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Large(bytes) => bytes,
            small @ Self::Small { .. } => Bytes::copy_from_slice(small.get()),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("notation", &self.notation)
            .field("bytes", &Bytes::copy_from_slice(self.bytes()))
            .finish()
    }
}
