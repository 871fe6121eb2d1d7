//! Envelopes: `[type, id, content]`, parsed and written without serde.

use std::ops::Range;

use bytes::Bytes;

use super::codec::{Cursor, json, msgpack};
use super::{Budget, CodecError, Format};

/// The type of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// 0: a request.
    Request,
    /// 1: the result of a request.
    Result,
    /// 2: the failure of a request.
    Failure,
    /// Above 2: an extension that both sides announced in Hello, or a protocol error.
    Extension(u64),
}

impl Kind {
    const fn code(self) -> u64 {
        match self {
            Self::Request => 0,
            Self::Result => 1,
            Self::Failure => 2,
            Self::Extension(code) => code,
        }
    }

    const fn from_code(code: u64) -> Self {
        match code {
            0 => Self::Request,
            1 => Self::Result,
            2 => Self::Failure,
            code => Self::Extension(code),
        }
    }
}

/// The id of a message.
///
/// This side numbers its own requests. The id of a peer's request may be any value (`null`, a string, a list ...): it
/// is never interpreted, only sent back with the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageId {
    /// A number from 0 to 2⁶⁴ − 1.
    Number(u64),
    /// Any other value, encoded in the format of the message.
    Other(Box<[u8]>),
}

/// A message whose content has not been decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Envelope {
    /// The type of the message.
    pub kind: Kind,
    /// The id of the request that the message is, or belongs to.
    pub id: MessageId,
    /// The encoded content, not yet checked.
    pub content: Bytes,
}

impl Envelope {
    /// Creates a message from encoded content.
    #[must_use]
    pub const fn new(kind: Kind, id: MessageId, content: Bytes) -> Self {
        Self { kind, id, content }
    }

    /// Appends the message to `out` as a payload in `format`.
    ///
    /// The content and the id must already be in `format`.
    ///
    /// ```
    /// use aiomas_core::wire::{Envelope, Kind, MessageId, Format};
    /// let mut out = Vec::new();
    /// let reply = Envelope::new(Kind::Result, MessageId::Number(7), "null".into());
    /// reply.write(Format::Json, &mut out);
    /// assert_eq!(out, b"[1, 7, null]");
    /// ```
    pub fn write(&self, format: Format, out: &mut Vec<u8>) {
        write_head(format, self.kind, &self.id, out);
        out.extend_from_slice(&self.content);
        out.extend_from_slice(envelope_tail(format));
    }

    /// Parses the payload of a frame; for a compressed codec, the decompressed payload.
    ///
    /// Parses only the envelope. The content is checked when it is decoded: only then is it known to be exactly one
    /// well-formed value.
    ///
    /// # Errors
    /// Returns a [`CodecError`] if the payload is not an array of three that begins with a message type and an id, or
    /// if the id, which may be any value, exceeds `budget`.
    pub fn parse(format: Format, payload: Bytes, budget: Budget) -> Result<Self, CodecError> {
        let Head { kind, id, content } = Head::parse(format, &payload, budget)?;
        Ok(Self { kind, id: id.of(&payload), content: payload.slice(content) })
    }
}

/// The positions of the parts of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) kind: Kind,
    pub(crate) id: Id,
    pub(crate) content: Range<usize>,
}

/// The id of a message, or its range if it is not a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Id {
    Number(u64),
    Other(Range<usize>),
}

impl Id {
    /// Returns the id within the message that was parsed.
    pub(crate) fn of(self, message: &[u8]) -> MessageId {
        match self {
            Self::Number(number) => MessageId::Number(number),
            Self::Other(range) => MessageId::Other(message[range].into()),
        }
    }
}

impl Head {
    /// Parses the head of a message; see [`Envelope::parse`].
    #[inline]
    pub(crate) fn parse(
        format: Format,
        message: &[u8],
        budget: Budget,
    ) -> Result<Self, CodecError> {
        match format {
            Format::Json => Self::parse_json(message, budget),
            Format::MsgPack => Self::parse_msgpack(message, budget),
        }
    }

    #[inline]
    fn parse_msgpack(message: &[u8], budget: Budget) -> Result<Self, CodecError> {
        // The shortest form, which Python and this crate write.
        let (code, id, start) = match *message {
            [0x93, code @ 0..=2, id @ 0..=0x7f, _, ..] => (code, u32::from(id), 3),
            [0x93, code @ 0..=2, 0xcc, id, _, ..] => (code, u32::from(id), 4),
            [0x93, code @ 0..=2, 0xcd, a, b, _, ..] => {
                (code, u32::from(u16::from_be_bytes([a, b])), 5)
            }
            [0x93, code @ 0..=2, 0xce, a, b, c, d, _, ..] => {
                (code, u32::from_be_bytes([a, b, c, d]), 7)
            }
            _ => return Self::parse_any_msgpack(message, budget),
        };
        let (kind, id) = (Kind::from_code(code.into()), Id::Number(id.into()));
        Ok(Self { kind, id, content: start..message.len() })
    }

    fn parse_any_msgpack(message: &[u8], budget: Budget) -> Result<Self, CodecError> {
        let (whole, message) = (message.len(), beginning(message));
        let head = match *message {
            [0x93, ..] => 1,
            [0xdc, 0, 3, ..] => 3,
            [0xdd, 0, 0, 0, 3, ..] => 5,
            _ => return Err(not_a_triple(0)),
        };
        let (code, id_at) = msgpack_number(message, head)
            .ok_or(CodecError::Syntax { at: head, what: "the message type is not a number" })?;
        let (id, content_at) = match msgpack_number(message, id_at) {
            Some((number, end)) => (Id::Number(number), end),
            None => {
                let range = skip(Format::MsgPack, message, id_at, budget)?;
                (Id::Other(range.clone()), range.end)
            }
        };
        if content_at == whole {
            return Err(not_a_triple(content_at));
        }
        Ok(Self { kind: Kind::from_code(code), id, content: content_at..whole })
    }

    fn parse_json(message: &[u8], budget: Budget) -> Result<Self, CodecError> {
        match Self::parse_plain_json(message) {
            Some(head) => Ok(head),
            None => Self::parse_any_json(message, budget),
        }
    }

    /// Parses the form of JSON that Python and this crate write.
    #[inline]
    fn parse_plain_json(message: &[u8]) -> Option<Self> {
        let [b'[', code @ b'0'..=b'2', b',', b' ', rest @ .., b']'] = message else {
            return None;
        };
        let (mut id, mut digits) = (0_u64, 0);
        while let Some(digit @ b'0'..=b'9') = rest.get(digits) {
            id = id.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'));
            digits += 1;
        }
        let canonical = digits == 1 || (digits <= MAX_DIGITS && rest.first() != Some(&b'0'));
        match rest.get(digits..)? {
            [b',', b' ', b'!'..=b'~', ..] if canonical && digits > 0 => Some(Self {
                kind: Kind::from_code((code - b'0').into()),
                id: Id::Number(id),
                content: digits + 6..message.len() - 1,
            }),
            _ => None,
        }
    }

    fn parse_any_json(message: &[u8], budget: Budget) -> Result<Self, CodecError> {
        let (whole, message) = (message, beginning(message));
        let blanks = |at: usize| match message.get(at) {
            Some(byte) if is_blank(*byte) => {
                at + message[at..].iter().take_while(|byte| is_blank(**byte)).count()
            }
            _ => at,
        };
        let comma = |at: usize| {
            let at = blanks(at);
            if message.get(at) == Some(&b',') { Ok(blanks(at + 1)) } else { Err(not_a_triple(at)) }
        };
        let at = blanks(0);
        if message.get(at) != Some(&b'[') {
            return Err(not_a_triple(at));
        }
        let at = blanks(at + 1);
        let (code, at) = json_number(message, at)
            .ok_or(CodecError::Syntax { at, what: "the message type is not a number" })?;
        let at = comma(at)?;
        let (id, at) = match json_number(message, at) {
            Some((number, end)) => (Id::Number(number), end),
            None => {
                let range = skip(Format::Json, message, at, budget)?;
                (Id::Other(range.clone()), range.end)
            }
        };
        let at = comma(at)?;
        let blanks = whole.iter().rev().take(MAX_HEAD).take_while(|byte| is_blank(**byte)).count();
        let end = whole.len() - blanks;
        if end <= at + 1 || whole[end - 1] != b']' {
            return Err(CodecError::Syntax { at: end, what: "the message does not end with `]`" });
        }
        Ok(Self { kind: Kind::from_code(code), id, content: at..end - 1 })
    }
}

/// The most bytes before the content, and of blanks behind it. The head is parsed before other connections run, and its
/// sender may choose any id.
const MAX_HEAD: usize = 4 * 1024;

fn beginning(message: &[u8]) -> &[u8] {
    &message[..message.len().min(MAX_HEAD)]
}

/// The most decimal digits of a number that always fits into 64 bits.
const MAX_DIGITS: usize = 18;

const fn not_a_triple(at: usize) -> CodecError {
    CodecError::Syntax { at, what: "a message must be an array of three: [type, id, content]" }
}

const fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

fn skip(
    format: Format,
    payload: &[u8],
    at: usize,
    budget: Budget,
) -> Result<Range<usize>, CodecError> {
    let range = Cursor::new(format, &payload[at..], budget).skip()?;
    Ok(at + range.start..at + range.end)
}

/// Returns the natural number at `at`, in any form, and its end.
fn msgpack_number(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let rest = bytes.get(at..)?;
    Some(match *rest {
        [n @ 0..=0x7f, ..] => (n.into(), at + 1),
        [0xcc, n, ..] => (n.into(), at + 2),
        [0xcd, a, b, ..] => (u16::from_be_bytes([a, b]).into(), at + 3),
        [0xce, a, b, c, d, ..] => (u32::from_be_bytes([a, b, c, d]).into(), at + 5),
        [0xcf, ..] => (u64::from_be_bytes(*rest.get(1..)?.first_chunk()?), at + 9),
        [0xd0, n @ 0..=0x7f, ..] => (n.into(), at + 2),
        [0xd1, a @ 0..=0x7f, b, ..] => (u16::from_be_bytes([a, b]).into(), at + 3),
        [0xd2, a @ 0..=0x7f, b, c, d, ..] => (u32::from_be_bytes([a, b, c, d]).into(), at + 5),
        [0xd3, 0..=0x7f, ..] => (u64::from_be_bytes(*rest.get(1..)?.first_chunk()?), at + 9),
        _ => return None,
    })
}

/// Returns the plain natural number at `at` and its end.
///
/// Returns `None` for a sign, a fraction or more than 64 bits.
fn json_number(bytes: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut number = 0_u64;
    let mut end = at;
    while let Some(digit @ b'0'..=b'9') = bytes.get(end) {
        number = number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
        end += 1;
    }
    let canonical = end == at + 1 || (end > at && bytes[at] != b'0');
    let ends = !matches!(bytes.get(end), Some(b'.' | b'e' | b'E'));
    (canonical && ends).then_some((number, end))
}

/// Writes the envelope up to the content, as Python does.
#[inline(always)]
pub(crate) fn write_head(format: Format, kind: Kind, id: &MessageId, out: &mut Vec<u8>) {
    match (format, kind, id) {
        (Format::MsgPack, Kind::Request | Kind::Result, MessageId::Number(id)) => {
            // The common case. An array of known length is copied in one step.
            let code = kind.code() as u8;
            let [.., a, b, c, d] = id.to_be_bytes();
            match *id {
                0..0x80 => out.extend_from_slice(&[0x93, code, d]),
                0x80..0x100 => out.extend_from_slice(&[0x93, code, 0xcc, d]),
                0x100..0x1_0000 => out.extend_from_slice(&[0x93, code, 0xcd, c, d]),
                0x1_0000..0x1_0000_0000 => {
                    out.extend_from_slice(&[0x93, code, 0xce, a, b, c, d]);
                }
                0x1_0000_0000.. => write_any_head(format, kind, &MessageId::Number(*id), out),
            }
        }
        _ => write_any_head(format, kind, id, out),
    }
}

fn write_any_head(format: Format, kind: Kind, id: &MessageId, out: &mut Vec<u8>) {
    match format {
        Format::MsgPack => {
            match kind {
                Kind::Extension(code) => {
                    out.push(0x93);
                    msgpack::write_u64(code, out);
                }
                kind => out.extend_from_slice(&[0x93, kind.code() as u8]),
            }
            match id {
                MessageId::Number(number) => msgpack::write_u64(*number, out),
                MessageId::Other(bytes) => out.extend_from_slice(bytes),
            }
        }
        Format::Json => {
            match kind {
                Kind::Request => out.extend_from_slice(b"[0, "),
                Kind::Result => out.extend_from_slice(b"[1, "),
                Kind::Failure => out.extend_from_slice(b"[2, "),
                Kind::Extension(code) => {
                    out.push(b'[');
                    json::write_u64(code, out);
                    out.extend_from_slice(b", ");
                }
            }
            match id {
                MessageId::Number(number) => json::write_u64(*number, out),
                MessageId::Other(bytes) => out.extend_from_slice(bytes),
            }
            out.extend_from_slice(b", ");
        }
    }
}

/// Returns the end of the envelope, after the content.
pub(crate) const fn envelope_tail(format: Format) -> &'static [u8] {
    match format {
        Format::Json => b"]",
        Format::MsgPack => b"",
    }
}
