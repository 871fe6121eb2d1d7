//! Content: undecoded as it came, or encoded and ready to go.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde::Deserialize;

use super::Value;
use super::{Blobs, CodecContext, CodecError, Format, blob, buffer_pool, codec};

/// The content of a message that came in, not yet decoded.
///
/// Decoding is left to whoever needs the value, in their own task. Content of 40 bytes or more is shared with the buffer
/// that it was read into, which has up to 512 KiB: [`detach`](Self::detach) a payload that is kept for long. The driver and
/// [`Node`](crate::agent::Node) do so for all that waits.
#[derive(Clone)]
pub struct Payload {
    format: Format,
    bytes: Encoded,
    codec_context: CodecContext,
}

impl Payload {
    /// A payload of `bytes` in `format`, to be decoded in `codec_context`.
    #[must_use]
    pub const fn new(format: Format, bytes: Bytes, codec_context: CodecContext) -> Self {
        Self { format, bytes: Encoded::Large(bytes), codec_context }
    }

    /// A payload of `bytes`, if they are so few that copying them costs less than sharing.
    #[inline]
    pub(crate) fn small(
        format: Format,
        bytes: &[u8],
        codec_context: &CodecContext,
    ) -> Option<Self> {
        let bytes = Encoded::small(bytes)?;
        Some(Self { format, bytes, codec_context: codec_context.clone() })
    }

    /// Decodes the content. Fields may borrow from the payload.
    ///
    /// # Errors
    /// The bytes are malformed, exceed the scope's [`Budget`](super::Budget), or do not fit `T`.
    pub fn decode<'de, T: Deserialize<'de>>(&'de self) -> Result<T, CodecError> {
        self.decode_bytes(self.bytes())
    }

    /// Decodes a part of the content that is a value.
    #[inline]
    pub(crate) fn decode_part<'de, T: Deserialize<'de>>(
        &'de self,
        part: Range<usize>,
    ) -> Result<T, CodecError> {
        self.decode_bytes(self.bytes().get(part).unwrap_or_default())
    }

    #[inline(always)]
    fn decode_bytes<'de, T: Deserialize<'de>>(
        &'de self,
        bytes: &'de [u8],
    ) -> Result<T, CodecError> {
        if bytes.len() >= blob::SHARED {
            return self.decode_many(bytes);
        }
        codec::decode(self.format, bytes, &self.codec_context)
    }

    /// Blobs in it may share the content's memory.
    #[inline(never)]
    fn decode_many<'de, T: Deserialize<'de>>(&'de self, bytes: &'de [u8]) -> Result<T, CodecError> {
        let decode = || codec::decode(self.format, bytes, &self.codec_context);
        match &self.bytes {
            Encoded::Large(source) => blob::shared_with(source, decode),
            _ => decode(),
        }
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
    pub const fn format(&self) -> Format {
        self.format
    }

    /// What the content is decoded against.
    #[must_use]
    pub const fn codec_context(&self) -> &CodecContext {
        &self.codec_context
    }

    /// Copies the bytes out of the buffer that they were read into, which can then be freed.
    #[must_use]
    pub fn detach(self) -> Self {
        Self { bytes: Encoded::copied(self.bytes()), ..self }
    }

    /// Whether there may be other messages in the buffer that it was read into: large ones have theirs for themselves.
    #[inline]
    #[doc(hidden)]
    pub fn shares_buffer(&self) -> bool {
        matches!(&self.bytes, Encoded::Large(bytes) if bytes.len() < buffer_pool::LARGE)
    }

    /// [Detaches](Self::detach) content that waits, unless it has its buffer for itself: so it keeps its own bytes only.
    #[must_use]
    #[doc(hidden)]
    pub fn unpinned(self) -> Self {
        if self.shares_buffer() { self.detach() } else { self }
    }

    /// A part of the content that is a value.
    pub(crate) fn slice(&self, range: Range<usize>) -> Self {
        let bytes = match &self.bytes {
            Encoded::Large(bytes) => Encoded::Large(bytes.slice(range)),
            Encoded::Mixed(mixed) => Encoded::Large(mixed.whole().slice(range)),
            Encoded::Small { bytes, .. } => Encoded::copied(&bytes[range]),
        };
        Self { bytes, format: self.format, codec_context: self.codec_context.clone() }
    }

    /// The content as it is, to be sent on. Typed values keep their ids, so it must go to a
    /// connection with the same types. A reference to a service of the peer in it becomes one to a service of *this*
    /// side, at the path that the peer has chosen: send on what came from a peer as a [`Value`](super::Value), which
    /// refuses that, unless the connection has no references, as those of channels have none.
    #[must_use]
    pub fn into_body(self) -> Body {
        Body { format: self.format, bytes: self.bytes }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload")
            .field("notation", &self.format)
            .field("bytes", &Bytes::copy_from_slice(self.bytes()))
            .finish_non_exhaustive()
    }
}

/// Encoded content, ready to be put into a message.
#[derive(Clone)]
pub struct Body {
    format: Format,
    bytes: Encoded,
}

/// Most results are numbers or short strings, and most calls have few arguments: those take no allocation, and
/// hold no buffer of the connection.
#[derive(Clone)]
enum Encoded {
    Small { length: u8, bytes: [u8; SMALL] },
    Large(Bytes),
    Mixed(Arc<Mixed>),
}

/// A call of an agent with a few numbers should fit.
const SMALL: usize = 39;

/// Content with blobs that are where they were.
struct Mixed {
    /// Everything else.
    text: Bytes,
    blobs: Blobs,
    /// All of it, if somebody has asked for that.
    whole: OnceLock<Bytes>,
}

impl Mixed {
    fn parts(&self) -> impl Iterator<Item = Bytes> {
        let ends = self.blobs.iter().map(|(at, _)| *at);
        let starts = [0].into_iter().chain(ends.clone());
        let texts = starts.zip(ends.chain([self.text.len()]));
        let texts = texts.map(|(start, end)| self.text.slice(start..end));
        let blobs = self.blobs.iter().map(|(_, blob)| blob.clone()).chain([Bytes::new()]);
        texts.zip(blobs).flat_map(|(text, blob)| [text, blob])
    }

    fn len(&self) -> usize {
        self.text.len() + self.blobs.iter().map(|(_, blob)| blob.len()).sum::<usize>()
    }

    fn whole(&self) -> &Bytes {
        self.whole.get_or_init(|| {
            let mut whole = Vec::with_capacity(self.len());
            self.parts().for_each(|part| whole.extend_from_slice(&part));
            whole.into()
        })
    }
}

/// A larger body takes the scratch buffer with it instead of being copied out of it.
const TAKEN: usize = 1024;

impl Body {
    /// The body of what is in `out`, which it takes if it is large, and of `blobs`.
    #[inline(always)]
    pub(super) fn from_parts(format: Format, out: &mut Vec<u8>, blobs: Option<Blobs>) -> Self {
        let bytes = match blobs {
            None => Encoded::small(out).unwrap_or_else(|| Encoded::taken(out)),
            Some(blobs) => Encoded::mixed(out, blobs),
        };
        Self { format, bytes }
    }

    /// A body of bytes that are already encoded: exactly one value in `format`.
    #[must_use]
    pub const fn from_encoded(format: Format, bytes: Bytes) -> Self {
        Self { format, bytes: Encoded::Large(bytes) }
    }

    /// What the body is written in.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// How many bytes it has.
    #[inline]
    #[doc(hidden)]
    #[allow(clippy::len_without_is_empty, reason = "for the driver alone")]
    pub fn len(&self) -> usize {
        match &self.bytes {
            Encoded::Small { length, .. } => usize::from(*length),
            Encoded::Large(bytes) => bytes.len(),
            Encoded::Mixed(mixed) => mixed.len(),
        }
    }

    /// The encoded bytes. If there is a [`Blob`](super::Blob) in them, it is copied.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get()
    }

    /// The encoded bytes, shared if there are many. If there is a [`Blob`](super::Blob) in them, it is copied.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.bytes.into_bytes()
    }

    /// Appends the content in another format, for a connection with the same types. It was encoded on this side: a
    /// reference in it is one to a service of ours.
    #[doc(hidden)]
    pub fn translate(
        &self,
        format: Format,
        codec_context: &CodecContext,
        out: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        let value: Value = codec::decode(self.format, self.bytes(), codec_context)?;
        codec::encode(format, &codec_context.guarded(false), &value, out)
    }

    /// All bytes, if they are few.
    #[inline]
    pub(crate) fn few(&self) -> Option<&[u8]> {
        match &self.bytes {
            Encoded::Small { length, bytes } => Some(&bytes[..usize::from(*length)]),
            _ => None,
        }
    }

    /// Calls `put` with all bytes in order, and with them as shared bytes if they are.
    #[inline]
    #[doc(hidden)]
    pub fn for_each_part(&self, mut put: impl FnMut(&[u8], Option<&Bytes>)) {
        match &self.bytes {
            Encoded::Small { length, bytes } => put(&bytes[..usize::from(*length)], None),
            Encoded::Large(bytes) => put(bytes, Some(bytes)),
            Encoded::Mixed(mixed) => mixed.parts().for_each(|part| put(&part, Some(&part))),
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

    /// What is in `out`, which is taken if there is much.
    #[inline(never)]
    fn taken(out: &mut Vec<u8>) -> Self {
        // A buffer that once was for something larger would keep too much.
        Self::Large(if out.len() < TAKEN || out.len() < out.capacity() / 4 {
            Bytes::copy_from_slice(out)
        } else {
            buffer_pool::pooled(std::mem::take(out))
        })
    }

    #[cold]
    fn mixed(out: &mut Vec<u8>, blobs: Blobs) -> Self {
        let text = Self::taken(out).into_bytes();
        Self::Mixed(Arc::new(Mixed { text, blobs, whole: OnceLock::new() }))
    }

    #[inline]
    fn get(&self) -> &[u8] {
        match self {
            Self::Small { length, bytes } => &bytes[..usize::from(*length)],
            Self::Large(bytes) => bytes,
            Self::Mixed(mixed) => mixed.whole(),
        }
    }

    fn into_bytes(self) -> Bytes {
        match self {
            Self::Large(bytes) => bytes,
            Self::Mixed(mixed) => mixed.whole().clone(),
            small @ Self::Small { .. } => Bytes::copy_from_slice(small.get()),
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("notation", &self.format)
            .field("bytes", &Bytes::copy_from_slice(self.bytes()))
            .finish()
    }
}
