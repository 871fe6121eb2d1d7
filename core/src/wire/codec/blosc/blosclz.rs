//! BloscLZ, a variant of FastLZ.
//!
//! A stream is a sequence of literals and matches, each beginning with a control byte:
//!
//! - Below 32, the control byte is the number of literal bytes that follow, minus 1.
//! - Otherwise, its high 3 bits are the length of a match minus 2. Its low 5 bits are the high bits of the distance
//!   minus 1; the low 8 bits of the distance follow.
//! - A length of 9 or more has continuation bytes between the control byte and the distance. They are added up until
//!   one is not 255.
//! - The highest distance announces a 16-bit big-endian distance, counted from that distance on.
//!
//! The first control byte is always a literal; its high 3 bits are the version of the format, 1. The last item is also
//! a literal: c-blosc does not execute a match at the end of a stream.

use super::copy::{copy_literals, copy_match};

/// The length of the longest literal in bytes.
const MAX_LITERAL: usize = 32;
/// The smallest distance in the 16-bit form.
const FAR: usize = 0x1fff + 1;
/// The highest distance of a match.
pub(super) const MAX_DISTANCE: usize = FAR + 0xffff;
/// The number of bytes at the end of a part where no match begins.
///
/// It is at least 8, so that an 8-byte load stays inside the part.
pub(super) const TAIL: usize = 8;
/// The number of bytes at the end that must be literals.
pub(super) const LITERAL_TAIL: usize = 4;

/// Returns the shortest length at which a match at `distance` shrinks the stream.
#[inline]
pub(super) const fn min_match(distance: usize) -> usize {
    // A match takes 3 or 5 bytes, including the header of the next literal.
    if distance < FAR { 5 } else { 8 }
}

/// Decompresses `part` to exactly `out`. Returns `false` if `part` is malformed or has another length.
pub(super) fn decompress(part: &[u8], out: &mut [u8]) -> bool {
    decode(part, out) == Some(out.len())
}

/// Returns the number of bytes written to `out`; `None` if malformed or too long.
fn decode(part: &[u8], out: &mut [u8]) -> Option<usize> {
    let (&first, mut rest) = part.split_first()?;
    let mut control = usize::from(first & 31);
    let mut at = 0;
    loop {
        if control < MAX_LITERAL {
            let len = control + 1;
            copy_literals::<MAX_LITERAL>(rest, len, out, at)?;
            at += len;
            rest = rest.get(len..)?;
        } else {
            let mut len = (control >> 5) + 2;
            if control >> 5 == 7 {
                // The check is inside the loop, so that the sum cannot overflow.
                while len <= out.len() - at {
                    let (&more, tail) = rest.split_first()?;
                    rest = tail;
                    len += usize::from(more);
                    if more != 255 {
                        break;
                    }
                }
            }
            let (&low, tail) = rest.split_first()?;
            rest = tail;
            let mut distance = ((control & 31) << 8) + usize::from(low) + 1;
            if distance == FAR {
                let (far, tail) = rest.split_first_chunk()?;
                rest = tail;
                distance = FAR + usize::from(u16::from_be_bytes(*far));
            }
            copy_match(out, at, distance, len)?;
            at += len;
        }
        let Some((&next, tail)) = rest.split_first() else {
            return Some(at);
        };
        control = next.into();
        rest = tail;
    }
}

/// Writes a stream. Each method returns `None` if the stream does not fit.
pub(super) struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl<'a> Writer<'a> {
    pub(super) const fn new(out: &'a mut [u8]) -> Self {
        Self { out, at: 0 }
    }

    #[inline]
    fn byte(&mut self, byte: usize) -> Option<()> {
        *self.out.get_mut(self.at)? = byte as u8;
        self.at += 1;
        Some(())
    }

    /// Writes `part[from..to]` as literals.
    #[inline]
    fn literals(&mut self, part: &[u8], mut from: usize, to: usize) -> Option<()> {
        while from < to {
            let len = (to - from).min(MAX_LITERAL);
            self.byte(len - 1)?;
            copy_literals::<MAX_LITERAL>(part.get(from..)?, len, self.out, self.at)?;
            self.at += len;
            from += len;
        }
        Some(())
    }

    /// Writes a match of at least 3 bytes.
    #[inline]
    fn match_(&mut self, distance: usize, len: usize) -> Option<()> {
        let near = (distance - 1).min(FAR - 1);
        let length = (len - 2).min(7);
        self.byte(length << 5 | near >> 8)?;
        if length == 7 {
            let mut more = len - 9;
            while more >= 255 {
                self.byte(255)?;
                more -= 255;
            }
            self.byte(more)?;
        }
        self.byte(near & 255)?;
        if distance >= FAR {
            let far = distance - FAR;
            self.byte(far >> 8)?;
            self.byte(far & 255)?;
        }
        Some(())
    }

    /// Writes the literals `part[from..to]`, possibly none, and a match.
    #[inline]
    pub(super) fn pair(
        &mut self,
        part: &[u8],
        from: usize,
        to: usize,
        distance: usize,
        len: usize,
    ) -> Option<()> {
        self.literals(part, from, to)?;
        self.match_(distance, len)
    }

    /// Writes the literals from `from` to the end, and returns the length of the stream.
    pub(super) fn finish(&mut self, part: &[u8], from: usize) -> Option<usize> {
        self.literals(part, from, part.len())?;
        *self.out.first_mut()? |= 1 << 5;
        Some(self.at)
    }

    /// Returns the length of the stream so far.
    pub(super) const fn written(&self) -> usize {
        self.at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_read_as_c_writes_them() {
        let mut out = [0; 12];
        // "abc", then 8 bytes at a distance of 3, then "d".
        assert!(decompress(b"\x22abc\xc0\x02\0d", &mut out));
        assert_eq!(&out, b"abcabcabcabd");
        // The first 9 + 254 bytes again, at a distance of 8192 + 12.
        let mut part = b"\x21ab\xe0".to_vec();
        part.extend([255; 32]);
        part.extend(b"\x20\0\0c\xff\xfe\xff\0\x0c\0d");
        let mut out = vec![0; 2 + (9 + 32 * 255 + 32) + 1 + (9 + 254) + 1];
        assert!(decompress(&part, &mut out));
        assert_eq!(out[8_203..8_207], *b"cabb");
    }

    #[test]
    fn malformed_streams_are_refused() {
        let mut out = [0; 12];
        for part in [
            &b""[..],                 // nothing
            b"\x22ab",                // half a literal
            b"\x22abc\xc0",           // no distance
            b"\x22abc\xe0",           // no length
            b"\x22abc\xff\0\xff\0",   // half a far distance
            b"\x22abc\xc0\x03\0d",    // a match before the start
            b"\x22abc\xc0\x02\x01de", // too long, in a literal
            b"\x22abc\xe0\x01\x02",   // too long, in a match
            b"\x22abc\xc0\x02",       // too short
        ] {
            assert!(!decompress(part, &mut out), "{part:?}");
        }
    }
}
