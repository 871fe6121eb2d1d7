//! The block format of LZ4.
//!
//! A stream is a sequence of literals and matches. Each pair begins with a byte whose high 4 bits are the
//! number of literals, and whose low 4 bits the length of the match minus 4; 15 in either says that bytes
//! follow that are added up, until one is not 255. Between the literals and the rest of the match's length
//! stands its distance, 16-bit little-endian. The last pair has no match.

use super::copy::{copy_literals, copy_match};
use super::matches::Format;

/// A length of this much, or more, goes on in bytes of its own.
const LONG: usize = 15;
const MIN_MATCH: usize = 4;

/// Decompresses `part` to exactly `out`. `false`: it is malformed or has another length.
pub(super) fn decompress(part: &[u8], out: &mut [u8]) -> bool {
    decode(part, out) == Some(out.len())
}

/// Returns how many bytes were written to `out`, or `None` if `part` is malformed or does not fit.
fn decode(mut rest: &[u8], out: &mut [u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let (&token, tail) = rest.split_first()?;
        rest = tail;
        let mut len = usize::from(token >> 4);
        if len == LONG {
            len = long(&mut rest, len, out.len() - at)?;
        }
        let tail = rest.get(len..)?;
        copy_literals::<32>(rest, len, out, at)?;
        at += len;
        if tail.is_empty() {
            return Some(at);
        }
        let (distance, tail) = tail.split_first_chunk()?;
        rest = tail;
        let mut len = usize::from(token) % 16 + MIN_MATCH;
        if len == LONG + MIN_MATCH {
            len = long(&mut rest, len, out.len() - at)?;
        }
        copy_match(out, at, u16::from_le_bytes(*distance).into(), len)?;
        at += len;
    }
}

/// Adds what follows to a length. `None`: it is more than `max`, or not there.
#[inline]
fn long(rest: &mut &[u8], mut len: usize, max: usize) -> Option<usize> {
    loop {
        let (&more, tail) = rest.split_first()?;
        *rest = tail;
        len += usize::from(more);
        // Inside of the loop, so that the sum cannot overflow.
        if len > max {
            return None;
        }
        if more != 255 {
            return Some(len);
        }
    }
}

/// Writes a stream.
pub(super) struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    /// Writes the literals, with the low half of the byte before them.
    #[inline]
    fn literals(&mut self, part: &[u8], from: usize, to: usize, low: usize) -> Option<()> {
        let len = to - from;
        self.byte(len.min(LONG) << 4 | low)?;
        self.long(len)?;
        copy_literals::<32>(part.get(from..)?, len, self.out, self.at)?;
        self.at += len;
        Some(())
    }

    /// Writes what there is of a length over the half of a byte.
    #[inline]
    fn long(&mut self, len: usize) -> Option<()> {
        let Some(mut more) = len.checked_sub(LONG) else { return Some(()) };
        while more >= 255 {
            self.byte(255)?;
            more -= 255;
        }
        self.byte(more)
    }

    #[inline]
    fn byte(&mut self, byte: usize) -> Option<()> {
        *self.out.get_mut(self.at)? = byte as u8;
        self.at += 1;
        Some(())
    }
}

impl<'a> Format<'a> for Writer<'a> {
    const MAX_DISTANCE: usize = 0xffff;
    // No match may begin in the last 12 bytes.
    const TAIL: usize = 12;
    const LITERAL_TAIL: usize = 5;

    fn new(out: &'a mut [u8]) -> Self {
        Self { out, at: 0 }
    }

    fn min_match(_distance: usize) -> usize {
        MIN_MATCH
    }

    #[inline]
    fn pair(
        &mut self,
        part: &[u8],
        from: usize,
        to: usize,
        distance: usize,
        len: usize,
    ) -> Option<()> {
        let len = len - MIN_MATCH;
        self.literals(part, from, to, len.min(LONG))?;
        self.byte(distance & 255)?;
        self.byte(distance >> 8)?;
        self.long(len)
    }

    fn finish(&mut self, part: &[u8], from: usize) -> Option<usize> {
        self.literals(part, from, part.len(), 0)?;
        Some(self.at)
    }

    fn written(&self) -> usize {
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_streams_are_refused() {
        let mut out = [0; 12];
        assert!(decompress(b"\x34abc\x03\0\x10d", &mut out));
        assert_eq!(&out, b"abcabcabcabd");
        for part in [
            &b""[..],                // nothing
            b"\x30ab",               // half of the literals
            b"\xf0",                 // no length of literals
            b"\xf0\xff\xff",         // half of one
            b"\x34abc\x03",          // half a distance
            b"\x34abc\0\0\x10d",     // a distance of 0
            b"\x34abc\x04\0\x10d",   // a match before the start
            b"\x34abc\x03\0",        // no last literals
            b"\x3fabc\x03\0",        // no length of a match
            b"\x3fabc\x03\0\0\x10d", // too long, in a match
            b"\x34abc\x03\0\x20de",  // too long, in literals
            b"\x33abc\x03\0\x10d",   // too short
        ] {
            assert!(!decompress(part, &mut out), "{part:?}");
        }
    }
}
