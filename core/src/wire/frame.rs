//! Frames: a length of four bytes (big endian), and a payload of that many bytes.

use std::fmt;

use bytes::{Buf, Bytes, BytesMut};

use super::buffer_pool;

/// The length of a frame's header in bytes.
pub const HEADER: usize = 4;

/// An error in the framing of the byte stream, which cannot be read any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The header announces more than the limit.
    #[error("the peer announced a frame of {length} bytes; `Limits::max_frame` is {limit}{}", Hint(*length))]
    TooLong {
        /// The announced length in bytes.
        length: u64,
        /// The limit in bytes.
        limit: usize,
    },
}

/// A guess at the protocol whose first bytes were taken for a length.
struct Hint(u64);

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Ok(length) = u32::try_from(self.0) else { return Ok(()) };
        let bytes = length.to_be_bytes();
        if is_tls(bytes) {
            return f.write_str(
                " (it seems to speak TLS: both sides have to be configured for it, or neither)",
            );
        }
        let Ok(text) = str::from_utf8(&bytes) else { return Ok(()) };
        if text.chars().any(|c| !matches!(c, ' '..='~' | '\r' | '\n')) {
            return Ok(());
        }
        let text = text.escape_debug();
        match protocol(bytes) {
            Some(name) => write!(
                f,
                " (it begins with \"{text}\" and seems to speak {name}: check the address and the port on both sides)"
            ),
            None => write!(
                f,
                " (it begins with the text \"{text}\", and not with the length of a frame: it seems not to speak \
                 aiomas; check the address and the port on both sides)"
            ),
        }
    }
}

/// Returns `true` for the start of a TLS record.
///
/// A record begins with its type, from 20 to 23, and the version 3.
const fn is_tls(bytes: [u8; 4]) -> bool {
    matches!(bytes, [20..=23, 3, 0..=4, _])
}

/// Returns the protocol in which a client or a server first sends these bytes.
const fn protocol(bytes: [u8; 4]) -> Option<&'static str> {
    Some(match &bytes {
        b"HTTP" | b"GET " | b"POST" | b"HEAD" | b"PUT " | b"DELE" | b"OPTI" | b"PATC" | b"CONN"
        | b"TRAC" | b"PRI " => "HTTP",
        b"SSH-" => "SSH",
        b"220 " | b"220-" | b"EHLO" | b"HELO" => "SMTP or FTP",
        b"* OK" => "IMAP",
        b"+OK " => "POP3 or Redis",
        b"AMQP" => "AMQP",
        b"RFB " => "VNC",
        b"INFO" => "NATS",
        _ => return None,
    })
}

/// Splits a stream of bytes into frames.
///
/// A `Deframer` keeps no bytes: the caller owns the buffer, reads into it and calls [`next_frame`](Self::next_frame)
/// until that returns `None`. Memory for a frame is not allocated when its header arrives, so a false header costs
/// nothing.
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
    /// Creates a deframer for payloads of up to `max_frame` bytes.
    #[must_use]
    pub const fn new(max_frame: usize) -> Self {
        Self { max_frame }
    }

    /// Takes the payload of the first frame from `input`, if complete.
    ///
    /// # Errors
    /// Returns [`FrameError::TooLong`] as soon as a header announces more than the limit.
    #[inline(always)]
    pub fn next_frame(&self, input: &mut BytesMut) -> Result<Option<Bytes>, FrameError> {
        let Some(length) = self.next_length(input)? else { return Ok(None) };
        input.advance(HEADER);
        Ok(Some(input.split_to(length).freeze()))
    }

    /// Returns the payload length in bytes of the first frame of `input`, if complete.
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

/// Returns how many bytes of the first frame are missing, if its header is complete.
pub fn missing(input: &[u8]) -> usize {
    let announced = input.first_chunk::<HEADER>().map_or(0, |header| u32::from_be_bytes(*header));
    (announced as usize).saturating_add(HEADER).saturating_sub(input.len())
}

/// Takes a whole frame of `length` bytes, including its header, from the front of `input`.
///
/// If the buffer was made for this large frame, the frame takes the buffer along. The frame then keeps no other data
/// alive, and the buffer is reused when the frame is dropped.
#[inline]
pub(crate) fn take_frame(input: &mut BytesMut, length: usize) -> Bytes {
    if length < buffer_pool::LARGE {
        input.split_to(length).freeze()
    } else {
        take_large(input, length)
    }
}

#[cold]
fn take_large(input: &mut BytesMut, length: usize) -> Bytes {
    if input.capacity() - length > length / 8 {
        return input.split_to(length).freeze();
    }
    let next = BytesMut::from(&input[length..]);
    input.truncate(length);
    buffer_pool::pooled(std::mem::replace(input, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_frames_have_a_buffer_for_themselves() {
        let lengths = [
            3,
            buffer_pool::LARGE,
            10,
            3 * buffer_pool::LARGE,
            2 * buffer_pool::LARGE,
            0,
            buffer_pool::LARGE,
        ];
        let frames = lengths.map(|length| {
            let payload = (0..length).map(|i| (i * i) as u8);
            (length as u32).to_be_bytes().into_iter().chain(payload).collect::<Vec<_>>()
        });
        let stream = frames.concat();
        // Sometimes the buffer has much more capacity than the frame needs.
        for (step, more) in [(7_000, 0), (70_000, 1_000), (300_000, 9_000), (usize::MAX, 0)] {
            let (deframer, mut input) = (Deframer::new(1 << 20), BytesMut::new());
            let (mut rest, mut taken) = (&stream[..], Vec::new());
            while !rest.is_empty() {
                let room = missing(&input).saturating_add(more).max(100).min(rest.len()).min(step);
                if input.capacity() - input.len() < room {
                    let mut next = buffer_pool::frame(input.len() + room);
                    next.extend_from_slice(&input);
                    input = next;
                }
                input.extend_from_slice(&rest[..room]);
                rest = &rest[room..];
                while let Ok(Some(length)) = deframer.next_length(&input) {
                    taken.push(take_frame(&mut input, HEADER + length));
                }
            }
            assert!(input.is_empty());
            assert!(taken == frames, "in steps of {step}");
        }
    }

    #[test]
    fn what_is_no_length_is_told_by_its_bytes() {
        let text = |bytes: &[u8; 4]| {
            let length = u32::from_be_bytes(*bytes).into();
            FrameError::TooLong { length, limit: 1 }.to_string()
        };
        for (bytes, protocol) in [
            (b"HTTP", "\"HTTP\" and seems to speak HTTP"),
            (b"GET ", "\"GET \" and seems to speak HTTP"),
            (b"PRI ", "seems to speak HTTP"),
            (b"SSH-", "seems to speak SSH"),
            (b"220 ", "seems to speak SMTP or FTP"),
            (b"\x16\x03\x01\x02", "it seems to speak TLS"),
            (b"\x15\x03\x03\x00", "it seems to speak TLS"),
            (b"[0, ", "the text \"[0, \", and not with the length of a frame"),
            (b"{\"a\"", "the text \"{\\\"a\\\"\""),
            (b"hi\r\n", "the text \"hi\\r\\n\""),
        ] {
            assert!(text(bytes).contains(protocol), "{}", text(bytes));
        }
        for bytes in [b"\x01\0\0\0", b"\xff\xff\xff\xff", b"abc\x1b", b"\x16\x04\0\0"] {
            assert!(text(bytes).ends_with("`Limits::max_frame` is 1"), "{}", text(bytes));
        }
    }

    #[test]
    fn what_is_missing_is_what_was_announced() {
        let frame = b"\0\0\x01\x02ab";
        assert_eq!(missing(b""), 4);
        assert_eq!(missing(&frame[..3]), 1);
        assert_eq!(missing(&frame[..4]), 258);
        assert_eq!(missing(frame), 256);
        assert_eq!(missing(&[&frame[..4], &[0; 300]].concat()), 0);
        assert_eq!(missing(&[0xff; 10]), u32::MAX as usize - 6);
    }
}
