//! Frames: a length in four bytes, big endian, and that many bytes of payload.

use bytes::{Buf, Bytes, BytesMut};

/// The length of a frame's header in bytes.
pub const HEADER: usize = 4;

/// The peer's framing is not acceptable. The byte stream cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The header announces more than the limit.
    #[error("the peer announced a frame of {length} bytes; `Limits::max_frame` is {limit}{}", hint(*length))]
    TooLong {
        /// What the header says, in bytes.
        length: u64,
        /// The limit, in bytes.
        limit: usize,
    },
}

/// TLS begins with the type of a record, 22 for the handshake or 21 for an alert, and the version 3.
const fn hint(length: u64) -> &'static str {
    match length >> 16 {
        0x1603 | 0x1503 => " (it seems to speak TLS)",
        _ => "",
    }
}

/// Cuts a stream of bytes into frames.
///
/// It keeps no bytes itself: the caller owns the buffer, reads into it and calls
/// [`next_frame`](Self::next_frame) until that returns `None`. Nothing is allocated for a frame that has
/// only been announced, so a header that lies costs nothing.
///
/// ```
/// use aiomas_core::wire::Deframer;
/// use bytes::{Bytes, BytesMut};
///
/// let deframer = Deframer::new(1 << 20);
/// let mut input = BytesMut::from(&b"\0\0\0\x02hi\0\0"[..]);
/// assert_eq!(deframer.next_frame(&mut input), Ok(Some(Bytes::from("hi"))));
/// assert_eq!(deframer.next_frame(&mut input), Ok(None)); // half a header is left
/// assert_eq!(input.len(), 2);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Deframer {
    max_frame: usize,
}

impl Deframer {
    /// Accepts payloads of up to `max_frame` bytes.
    #[must_use]
    pub const fn new(max_frame: usize) -> Self {
        Self { max_frame }
    }

    /// Takes the next whole frame's payload off the front of `input`, if it is there.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] as soon as a header announces more than the limit.
    #[inline(always)]
    pub fn next_frame(&self, input: &mut BytesMut) -> Result<Option<Bytes>, FrameError> {
        let Some(length) = self.next_length(input)? else { return Ok(None) };
        input.advance(HEADER);
        Ok(Some(input.split_to(length).freeze()))
    }

    /// How long the payload is of the whole frame that `input` begins with, if it does.
    #[inline(always)]
    pub(crate) fn next_length(&self, input: &[u8]) -> Result<Option<usize>, FrameError> {
        let Some(header) = input.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let announced = u32::from_be_bytes(*header);
        let length = announced as usize;
        if length > self.max_frame {
            return Err(FrameError::TooLong { length: announced.into(), limit: self.max_frame });
        }
        Ok((input.len() - HEADER >= length).then_some(length))
    }
}
