//! Snappy, to be read only.
//!
//! A stream begins with the length of its data, 7 bits to a byte, the lowest first. Then come literals and
//! matches. The low 2 bits of the first byte of each tell the kind.

use super::copy::{copy_literals, copy_match};

/// Decompresses `part` to exactly `out`. `false`: it is malformed or has another length.
pub(super) fn decompress(part: &[u8], out: &mut [u8]) -> bool {
    decode(part, out) == Some(out.len())
}

/// Returns how many bytes were written to `out`, or `None` if `part` is malformed or does not fit.
fn decode(part: &[u8], out: &mut [u8]) -> Option<usize> {
    let (announced, mut rest) = split_varint(part)?;
    if announced != out.len() {
        return None;
    }
    let mut at = 0;
    while let Some((&tag, tail)) = rest.split_first() {
        rest = tail;
        let high = usize::from(tag >> 2);
        let (distance, len);
        match tag & 3 {
            0 => {
                len = match high {
                    0..60 => high + 1,
                    _ => split_number(&mut rest, high - 59)?.checked_add(1)?,
                };
                let tail = rest.get(len..)?;
                copy_literals::<32>(rest, len, out, at)?;
                (at, rest) = (at + len, tail);
                continue;
            }
            1 => {
                len = (high & 7) + 4;
                distance = (high >> 3 << 8) + split_number(&mut rest, 1)?;
            }
            kind => {
                len = high + 1;
                distance = split_number(&mut rest, if kind == 2 { 2 } else { 4 })?;
            }
        }
        copy_match(out, at, distance, len)?;
        at += len;
    }
    Some(at)
}

/// Takes a little-endian number of `len` bytes, at most 4, from the start of `bytes`.
#[inline(always)]
fn split_number(bytes: &mut &[u8], len: usize) -> Option<usize> {
    let (number, tail) = bytes.split_at_checked(len)?;
    *bytes = tail;
    Some(number.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte)))
}

/// The length at the start, of at most 32 bits, and what follows.
fn split_varint(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let end = bytes.iter().take(5).position(|byte| byte & 0x80 == 0)? + 1;
    let (varint, rest) = bytes.split_at(end);
    let number = varint.iter().rev().fold(0_u64, |n, byte| n << 7 | u64::from(byte & 0x7f));
    Some((u32::try_from(number).ok()? as usize, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_element_is_read() {
        let mut out = [0; 12];
        // "abc"; 5 bytes at a distance of 3, in each of the three kinds of matches; "d".
        for kind in [&b"\x05\x03"[..], b"\x12\x03\0", b"\x13\x03\0\0\0"] {
            let part = [b"\x0c\x08abc", kind, b"\x0cxyzd"].concat();
            assert!(decompress(&part, &mut out), "{part:?}");
            assert_eq!(&out, b"abcabcabxyzd");
        }
        // The length of a literal in 1 to 4 bytes.
        for len in [&b"\xf0\x0b"[..], b"\xf4\x0b\0", b"\xf8\x0b\0\0", b"\xfc\x0b\0\0\0"] {
            let part = [b"\x0c", len, b"cbacbacbacba"].concat();
            assert!(decompress(&part, &mut out), "{part:?}");
            assert_eq!(&out, b"cbacbacbacba");
        }
    }

    #[test]
    fn malformed_streams_are_refused() {
        let mut out = [0; 12];
        for part in [
            &b""[..],                                // nothing
            b"\x8c",                                 // half a length
            b"\x8c\x80\x80\x80\x80\0\x08abc",        // too long a length
            b"\x8c\x80\x80\x80\x10\x2cabcabcabcabc", // a length of 33 bits
            b"\x0d\x2cabcabcabcabc",                 // another length
            b"\x0c\x2cabcabcabcab",                  // half a literal
            b"\x0c\xf0",                             // no length of a literal
            b"\x0c\xfc\xff\xff\xff\xffa",            // the longest literal
            b"\x0c\x08abc\x15",                      // no distance
            b"\x0c\x08abc\x15\0",                    // a distance of 0
            b"\x0c\x08abc\x15\x04",                  // a match before the start
            b"\x0c\x08abc\x13\xff\xff\xff\xff",      // far before the start
            b"\x0c\x08abc\x26\x03\0",                // too long, in a match
            b"\x0c\x08abc\x11\x03",                  // too short
        ] {
            assert!(!decompress(part, &mut out), "{part:?}");
        }
    }
}
