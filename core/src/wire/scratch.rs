//! One way to encode content: into the thread's scratch buffer, with large bytes left out.

use std::cell::Cell;

use serde::Serialize;

use super::blob::{self, Blobs};
use super::{Body, CodecContext, CodecError, Format, buffer_pool, codec};

thread_local! {
    /// Content is encoded before its size is known, and most of it is copied where it belongs: into a body of a few
    /// bytes, or behind an envelope. A buffer of its own would cost each call an allocation.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// More is handed over instead of being copied.
const FEW: usize = 1024;

/// Encoded content in the scratch buffer, which it gives back when it is dropped.
#[derive(Debug)]
pub struct Scratch {
    format: Format,
    content: Vec<u8>,
    blobs: Option<Blobs>,
}

impl Scratch {
    /// Content that `encode` appends. It may leave [blobs](super::Blob) out, which then are not copied.
    #[inline]
    pub fn encode(
        format: Format,
        encode: impl FnOnce(&mut Vec<u8>) -> Result<(), CodecError>,
    ) -> Result<Self, CodecError> {
        // Taken out while user code runs: a `Serialize` may well encode something else.
        let mut content = SCRATCH.take();
        content.clear();
        let (result, blobs) = blob::left_out(&mut content, encode);
        let scratch = Self { format, content, blobs };
        result.map(|()| scratch)
    }

    /// All bytes, if they are so few that copying them is cheaper than a body.
    #[inline]
    #[must_use]
    pub fn few(&self) -> Option<&[u8]> {
        (self.content.len() < FEW && self.blobs.is_none()).then_some(&*self.content)
    }

    /// The content as a body, which takes the buffer if it is large.
    #[inline]
    #[must_use]
    pub fn into_body(mut self) -> Body {
        Body::from_parts(self.format, &mut self.content, self.blobs.take())
    }
}

impl Drop for Scratch {
    #[inline]
    fn drop(&mut self) {
        SCRATCH.set(buffer_pool::scratch(std::mem::take(&mut self.content)));
    }
}

impl Body {
    /// Encodes `value` for a connection that writes `format` and has `codec_context`.
    ///
    /// # Errors
    /// The value cannot be written in this format: bytes in JSON, integers beyond 64 bits in
    /// MsgPack, a type that is not registered, or an error of its own `Serialize`.
    pub fn encode<T: Serialize + ?Sized>(
        format: Format,
        codec_context: &CodecContext,
        value: &T,
    ) -> Result<Self, CodecError> {
        let encoded =
            Scratch::encode(format, |out| codec::encode(format, codec_context, value, out))?;
        Ok(encoded.into_body())
    }
}
