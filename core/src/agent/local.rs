//! Calls between agents of one container: without a connection, but encoded all the same.

use crate::connection::CallRejected;
use crate::wire::{Body, CodecContext, CodecError, Format, Payload, RemoteError};

/// Encodes calls between agents of one container, and their answers.
#[derive(Clone, Debug)]
pub struct LocalCodec(CodecContext);

impl LocalCodec {
    /// The format of these calls. Both sides are ours, so it is the compact one.
    pub const FORMAT: Format = Format::MsgPack;

    /// Creates a codec with `codec_context`.
    #[must_use]
    pub const fn new(codec_context: CodecContext) -> Self {
        Self(codec_context)
    }

    /// Returns the codec context.
    #[must_use]
    pub const fn codec_context(&self) -> &CodecContext {
        &self.0
    }

    /// Encodes the content of a request, which `write` appends.
    ///
    /// # Errors
    /// The content cannot be encoded.
    pub fn request(
        &self,
        write: impl FnOnce(Format, &CodecContext, &mut Vec<u8>) -> Result<(), CodecError>,
    ) -> Result<Payload, CallRejected> {
        let mut content = Vec::new();
        write(Self::FORMAT, &self.0, &mut content).map_err(CallRejected::Codec)?;
        Ok(self.payload(content.into()))
    }

    /// Converts an answer to the caller's result.
    ///
    /// # Errors
    /// The answer is a failure.
    pub fn answer(&self, answer: Result<Body, RemoteError>) -> Result<Payload, RemoteError> {
        answer.map(|body| self.payload(body.into_bytes()))
    }

    fn payload(&self, bytes: bytes::Bytes) -> Payload {
        Payload::new(Self::FORMAT, bytes, self.0.clone())
    }
}
