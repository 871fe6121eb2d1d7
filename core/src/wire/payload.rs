//! The content of messages: received and undecoded, or encoded and ready to send.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde::Deserialize;

use super::Value;
use super::{Blobs, CodecContext, CodecError, Format, blob, buffer_pool, codec};

/// The content of a received message, not yet decoded.
///
/// The task that needs the value decodes it. Content of 40 bytes or more shares the buffer that it was read into, of up
/// to 512 KiB: [`detach`](Self::detach) a payload before storing it for long. The driver and
/// [`Node`](crate::agent::Node) detach all payloads that wait.
///
/// ```
/// use aiomas_core::wire::{CodecContext, Format, Payload};
///
/// let payload = Payload::new(Format::Json, r#"["Ada", 36]"#.into(), CodecContext::default());
/// let (name, age): (&str, u32) = payload.decode()?;
/// assert_eq!((name, age), ("Ada", 36));
/// # Ok::<(), aiomas_core::wire::CodecError>(())
/// ```
#[derive(Clone)]
pub struct Payload {
    format: Format,
    bytes: Encoded,
    codec_context: CodecContext,
}

impl Payload {
    /// Creates a payload of `bytes` in `format`, to be decoded in `codec_context`.
    #[must_use]
    pub const fn new(format: Format, bytes: Bytes, codec_context: CodecContext) -> Self {
        Self { format, bytes: Encoded::Large(bytes), codec_context }
    }

    /// Creates a payload, if `bytes` are so few that copying costs less than sharing.
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
    /// Returns a [`CodecError`] if the bytes are malformed, exceed the [`Budget`](super::Budget) of the context, or do
    /// not fit `T`.
    pub fn decode<'de, T: Deserialize<'de>>(&'de self) -> Result<T, CodecError> {
        self.decode_bytes(self.bytes())
    }

    /// Decodes a part of the content that is one value.
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

    /// Decodes large content, whose blobs may share its memory.
    #[inline(never)]
    fn decode_many<'de, T: Deserialize<'de>>(&'de self, bytes: &'de [u8]) -> Result<T, CodecError> {
        let decode = || codec::decode(self.format, bytes, &self.codec_context);
        match &self.bytes {
            Encoded::Large(source) => blob::shared_with(source, decode),
            _ => decode(),
        }
    }

    /// Returns the encoded content.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get()
    }

    /// Returns the encoded content, shared if it is large.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.bytes.into_bytes()
    }

    /// Returns the format of the content.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Returns the context in which the content is decoded.
    #[must_use]
    pub const fn codec_context(&self) -> &CodecContext {
        &self.codec_context
    }

    /// Copies the content out of its read buffer, so that the buffer can be freed.
    #[must_use]
    pub fn detach(self) -> Self {
        Self { bytes: Encoded::copied(self.bytes()), ..self }
    }

    /// Returns `true` if the buffer of the content may hold other messages.
    ///
    /// Large content has a buffer of its own.
    #[inline]
    #[doc(hidden)]
    pub fn shares_buffer(&self) -> bool {
        matches!(&self.bytes, Encoded::Large(bytes) if bytes.len() < buffer_pool::LARGE)
    }

    /// Copies content that waits out of a shared buffer, like [`detach`](Self::detach).
    ///
    /// The payload then keeps only its own bytes alive.
    #[must_use]
    #[doc(hidden)]
    pub fn unpinned(self) -> Self {
        if self.shares_buffer() { self.detach() } else { self }
    }

    /// Returns a part of the content that is one value.
    pub(crate) fn slice(&self, range: Range<usize>) -> Self {
        let bytes = match &self.bytes {
            Encoded::Large(bytes) => Encoded::Large(bytes.slice(range)),
            Encoded::Mixed(mixed) => Encoded::Large(mixed.whole().slice(range)),
            Encoded::Small { bytes, .. } => Encoded::copied(&bytes[range]),
        };
        Self { bytes, format: self.format, codec_context: self.codec_context.clone() }
    }

    /// Returns the content unchanged, for forwarding.
    ///
    /// Typed values keep their ids, so the receiving connection needs the same types. A reference to a service of the
    /// peer becomes a reference to a service of *this* side, at a path that the peer has chosen. Forward data of a peer
    /// as a [`Value`](super::Value), which rejects such references, unless the connection has none: channels have no
    /// references.
    #[must_use]
    pub fn into_body(self) -> Body {
        Body { format: self.format, bytes: self.bytes }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Payload")
            .field("format", &self.format)
            .field("bytes", &Bytes::copy_from_slice(self.bytes()))
            .finish_non_exhaustive()
    }
}

/// Encoded content, ready to be sent in a message.
#[derive(Clone)]
pub struct Body {
    format: Format,
    bytes: Encoded,
}

/// Encoded bytes, inline if they are few.
///
/// Most results are numbers or short strings, and most calls have few arguments. Inline bytes need no allocation, and
/// hold no buffer of the connection.
#[derive(Clone)]
enum Encoded {
    Small { length: u8, bytes: [u8; SMALL] },
    Large(Bytes),
    Mixed(Arc<Mixed>),
}

/// The capacity in bytes of inline content.
///
/// A call of an agent with a few numbers fits.
const SMALL: usize = 39;

/// Content whose blobs stay in their own memory.
struct Mixed {
    /// The content without the blobs.
    text: Bytes,
    blobs: Blobs,
    /// The whole content, once a caller has requested it.
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

/// The size in bytes above which a body takes the scratch buffer without a copy.
const TAKEN: usize = 1024;

impl Body {
    /// Creates a body from `out`, whose buffer it takes if it is large, and `blobs`.
    #[inline(always)]
    pub(super) fn from_parts(format: Format, out: &mut Vec<u8>, blobs: Option<Blobs>) -> Self {
        let bytes = match blobs {
            None => Encoded::small(out).unwrap_or_else(|| Encoded::taken(out)),
            Some(blobs) => Encoded::mixed(out, blobs),
        };
        Self { format, bytes }
    }

    /// Creates a body from encoded bytes, which must be exactly one value in `format`.
    #[must_use]
    pub const fn from_encoded(format: Format, bytes: Bytes) -> Self {
        Self { format, bytes: Encoded::Large(bytes) }
    }

    /// Returns the format of the body.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Returns the length of the body in bytes.
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

    /// Returns the encoded bytes. Any [`Blob`](super::Blob) in them is copied.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get()
    }

    /// Returns the encoded bytes, shared if they are many. Any [`Blob`](super::Blob) in them is copied.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        self.bytes.into_bytes()
    }

    /// Appends the content to `out` in another format, for a connection with the same types.
    ///
    /// The content must come from this side: a reference in it names a service of this side.
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

    /// Returns all bytes, if they are stored inline.
    #[inline]
    pub(crate) fn few(&self) -> Option<&[u8]> {
        match &self.bytes {
            Encoded::Small { length, bytes } => Some(&bytes[..usize::from(*length)]),
            _ => None,
        }
    }

    /// Calls `put` with each part in order, and with its shared form, if any.
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

    /// Takes the content of `out`, with its buffer if it is large.
    #[inline(never)]
    fn taken(out: &mut Vec<u8>) -> Self {
        // A mostly empty buffer would waste memory.
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
            .field("format", &self.format)
            .field("bytes", &Bytes::copy_from_slice(self.bytes()))
            .finish()
    }
}
