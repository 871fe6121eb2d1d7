//! BloscLZ, a variant of FastLZ.
//!
//! A stream is a sequence of literals and matches, each of which begins with a control byte. Below 32 it
//! is the number of literal bytes that follow, minus 1. Otherwise its high 3 bits are the length of a
//! match minus 2, and its low 5 bits the high bits of the distance minus 1, whose low 8 bits follow.
//! A length of 9 or more has continuation bytes in between: they are added up, until one is not 255.
//! The highest distance says that a 16-bit big-endian one follows, which counts from there on.
//!
//! The first control byte is always a literal; its high 3 bits are the version of the format, 1.
//! The last one is also a literal: c-blosc does not execute a match at the end of a stream.

/// The longest literal.
const MAX_LITERAL: usize = 32;
/// The distance where the far ones begin.
const FAR: usize = 0x1fff + 1;
const MAX_DISTANCE: usize = FAR + 0xffff;
/// Copies of this many bytes, of which only some may count, need no loop.
const CHUNK: usize = 16;

/// A part has to get smaller by one of so many bytes to be worth the reader's time.
pub(super) const MIN_GAIN: usize = 32;

/// Decompresses `part` to exactly `out`. `false`: it is malformed or has another length.
pub(super) fn decompress(part: &[u8], out: &mut [u8]) -> bool {
    decode(part, out) == Some(out.len())
}

/// Returns how many bytes were written to `out`, or `None` if `part` is malformed or does not fit.
fn decode(part: &[u8], out: &mut [u8]) -> Option<usize> {
    let (&first, mut rest) = part.split_first()?;
    let mut control = usize::from(first & 31);
    let mut at = 0;
    loop {
        if control < MAX_LITERAL {
            let len = control + 1;
            match (rest.first_chunk::<MAX_LITERAL>(), chunk_mut(out, at)) {
                (Some(literal), Some(out)) => *out = *literal,
                _ => out.get_mut(at..)?.get_mut(..len)?.copy_from_slice(rest.get(..len)?),
            }
            at += len;
            rest = rest.get(len..)?;
        } else {
            let mut len = (control >> 5) + 2;
            if control >> 5 == 7 {
                // The check is inside of the loop, so that the sum cannot overflow.
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

/// Copies the `len` bytes that are `distance` bytes before `at` there. The two ranges may overlap: then
/// the first `distance` bytes repeat.
#[inline]
fn copy_match(out: &mut [u8], at: usize, distance: usize, len: usize) -> Option<()> {
    let from = at.checked_sub(distance)?;
    let out = out.get_mut(from..)?;
    if len <= CHUNK && distance >= CHUNK && distance + CHUNK <= out.len() {
        out.copy_within(..CHUNK, distance);
        return Some(());
    }
    let out = out.get_mut(..distance + len)?;
    if distance == 1 {
        let byte = *out.first()?;
        out.fill(byte);
        return Some(());
    }
    let mut known = distance;
    while known < out.len() {
        let len = known.min(out.len() - known);
        out.copy_within(..len, known);
        known += len;
    }
    Some(())
}

#[inline]
fn chunk_mut<const N: usize>(bytes: &mut [u8], at: usize) -> Option<&mut [u8; N]> {
    bytes.get_mut(at..)?.first_chunk_mut()
}

/// What a compressor remembers; to be used again for the next part.
pub(super) struct Encoder {
    /// Where in the part four bytes with a given hash were last seen.
    table: Box<[u32; 1 << Self::TABLE_BITS]>,
    level: u8,
}

impl Encoder {
    const TABLE_BITS: u32 = 14;
    /// Less is not worth a look.
    const MIN_INPUT: usize = 16;
    /// No match begins in so many last bytes, so that a load is always inside of the part.
    const TAIL: usize = 8;
    /// A match ends before so many last bytes, because literals have to follow it.
    const LITERAL_TAIL: usize = 4;

    /// At least so many bytes are looked at before a part is given up.
    const PROBE: usize = 4 << 10;

    /// `level` is how persistently to look for matches, from 1 to 9.
    pub(super) fn new(level: u8) -> Self {
        Self { table: Box::new([0; 1 << Self::TABLE_BITS]), level }
    }

    /// Compresses `part` and returns the length, or `None` if it does not fit into `out`.
    pub(super) fn compress(&mut self, part: &[u8], out: &mut [u8]) -> Option<usize> {
        if part.len() < Self::MIN_INPUT {
            return None;
        }
        // A small part needs, and has to clear, only a part of the table.
        let bits = part.len().ilog2().min(Self::TABLE_BITS);
        self.table.get_mut(..1 << bits)?.fill(0);
        let patience = 3 + u32::from(self.level) / 3;

        // The start shows whether it is worth to go on.
        let probe = Self::PROBE.max(part.len() / 8);

        let mut writer = Writer { out, at: 0 };
        let last = part.len() - Self::TAIL;
        let matchable = part.get(..part.len() - Self::LITERAL_TAIL)?;
        let mut literals = 0;
        // The first byte has to be a literal.
        let mut at = 1;
        let mut misses = 0_usize;
        while at < last {
            let here = load(part, at);
            let slot = &mut self.table[hash(here, bits)];
            let candidate = *slot as usize;
            *slot = at as u32;
            let distance = at - candidate;
            let mut len = 0;
            if distance <= MAX_DISTANCE && load(part, candidate) == here {
                len = 4 + common(part.get(candidate + 4..)?, matchable.get(at + 4..)?);
            }
            // A match takes 3 or 5 bytes, with the header of the next literal.
            if len < if distance < FAR { 5 } else { 8 } {
                at += 1 + (misses >> patience);
                misses += 1;
                if at > probe && writer.at + (at - literals) > at - at / MIN_GAIN {
                    return None;
                }
                continue;
            }
            let before = common_back(part.get(..candidate)?, part.get(literals.max(1)..at)?);
            at -= before;
            len += before;
            writer.literals(part, literals, at)?;
            writer.match_(distance, len)?;
            at += len;
            literals = at;
            // Short matches now and then are not worth to look everywhere.
            misses = misses.saturating_sub(len);
            for at in [at - 2, at - 1] {
                self.table[hash(load(part, at), bits)] = at as u32;
            }
        }
        writer.literals(part, literals, part.len())?;
        *writer.out.first_mut()? |= 1 << 5;
        Some(writer.at)
    }
}

#[inline]
fn load(part: &[u8], at: usize) -> u32 {
    part.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

#[inline]
const fn hash(bytes: u32, bits: u32) -> usize {
    // Knuth's multiplicative hash: 2^32 divided by the golden ratio.
    let hash = bytes.wrapping_mul(2_654_435_761) >> (u32::BITS - bits);
    hash as usize & ((1 << Encoder::TABLE_BITS) - 1)
}

/// How many bytes `a` and `b` have in common at the start.
#[inline]
fn common(a: &[u8], b: &[u8]) -> usize {
    let len = a.len().min(b.len());
    let (a_words, _) = a.as_chunks::<8>();
    let (b_words, _) = b.as_chunks::<8>();
    let mut equal = 0;
    for (a, b) in a_words.iter().zip(b_words) {
        let differences = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differences != 0 {
            return equal + (differences.trailing_zeros() / 8) as usize;
        }
        equal += 8;
    }
    let tail = a.iter().zip(b).skip(equal).take_while(|(a, b)| a == b).count();
    (equal + tail).min(len)
}

/// How many bytes `a` and `b` have in common at the end.
#[inline]
fn common_back(a: &[u8], b: &[u8]) -> usize {
    a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count()
}

/// Writes a stream. Everything returns `None` if it does not fit.
struct Writer<'a> {
    out: &'a mut [u8],
    at: usize,
}

impl Writer<'_> {
    #[inline]
    fn byte(&mut self, byte: usize) -> Option<()> {
        *self.out.get_mut(self.at)? = byte as u8;
        self.at += 1;
        Some(())
    }

    /// Writes `part[from..to]`.
    #[inline]
    fn literals(&mut self, part: &[u8], mut from: usize, to: usize) -> Option<()> {
        while from < to {
            let len = (to - from).min(MAX_LITERAL);
            self.byte(len - 1)?;
            let source = part.get(from..)?;
            match (source.first_chunk::<MAX_LITERAL>(), chunk_mut(self.out, self.at)) {
                (Some(literal), Some(out)) => *out = *literal,
                _ => {
                    self.out.get_mut(self.at..)?.get_mut(..len)?.copy_from_slice(source.get(..len)?)
                }
            }
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
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(data: &[u8], level: u8) -> usize {
        let mut out = vec![0; data.len() * 2 + 64];
        let len = Encoder::new(level).compress(data, &mut out).expect("enough room");
        let mut back = vec![0; data.len()];
        assert!(decompress(&out[..len], &mut back));
        assert!(back == data);
        // Without room there is no panic, and no success.
        for room in (0..len).step_by(7).take(20) {
            assert_eq!(Encoder::new(level).compress(data, &mut out[..room]), None);
        }
        len
    }

    fn noise(len: usize) -> Vec<u8> {
        let next = |x: &u32| Some(x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
        std::iter::successors(Some(1), next).map(|x| (x >> 24) as u8).take(len).collect()
    }

    #[test]
    fn patterns_of_every_period() {
        for period in 1..70 {
            let pattern = noise(period);
            for len in [16, 17, 31, 33, 64, 300, 2_000] {
                let data: Vec<u8> = pattern.iter().copied().cycle().take(len).collect();
                round_trip(&data, 9);
            }
        }
    }

    #[test]
    fn runs_of_every_length() {
        for len in (16..600).chain([100_000]) {
            let len = round_trip(&vec![5; len], 9);
            assert!(len <= 16 + 100_000 / 255, "{len}");
        }
    }

    #[test]
    fn matches_at_the_limits_of_distance() {
        let pattern = noise(300);
        for distance in
            [FAR - 2, FAR - 1, FAR, FAR + 1, MAX_DISTANCE - 1, MAX_DISTANCE, MAX_DISTANCE + 1]
        {
            // The zeros are one match, so that the table still knows the pattern.
            let mut data = pattern.clone();
            data.resize(distance, 0);
            data.extend_from_slice(&pattern);
            let far = distance > MAX_DISTANCE;
            assert_eq!(round_trip(&data, 9) > 400 + distance / 255, far, "{distance}");
        }
    }

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
