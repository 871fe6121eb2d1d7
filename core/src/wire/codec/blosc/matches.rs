//! Finds the matches that a BloscLZ stream consists of.

use super::blosclz::{LITERAL_TAIL, MAX_DISTANCE, TAIL, Writer, min_match};

/// The gain that makes compression worth the reader's time: one byte in this many.
pub(super) const MIN_GAIN: usize = 32;

/// The state of a compressor, reusable for the next part.
pub(super) struct Finder {
    /// The last position in the part of four bytes with each hash.
    table: Vec<u32>,
    level: u8,
    /// `true` to give up a part whose start does not compress.
    probe: bool,
}

impl Finder {
    const MAX_TABLE_BITS: u32 = 14;
    /// The length in bytes below which a part is not compressed.
    const MIN_INPUT: usize = 16;
    /// The number of bytes tried, at least, before a part is given up.
    const PROBE: usize = 4 << 10;

    /// Creates a finder. `level`, from 1 to 9, sets how thoroughly it searches for matches.
    pub(super) fn new(level: u8, probe: bool) -> Self {
        Self { table: Vec::new(), level, probe }
    }

    /// Compresses `part` and returns the length, or `None` if it does not fit into `out`.
    pub(super) fn compress(&mut self, part: &[u8], out: &mut [u8]) -> Option<usize> {
        if part.len() < Self::MIN_INPUT {
            return None;
        }
        // A small part needs only a small table, which is also quicker to clear.
        let bits = part.len().ilog2().min(Self::MAX_TABLE_BITS);
        self.table.clear();
        self.table.resize(1 << bits, 0);
        let table = self.table.as_mut_slice();
        let patience = 3 + u32::from(self.level) / 3;

        // Compression of the start predicts compression of the rest.
        let probe = if self.probe { Self::PROBE.max(part.len() / 8) } else { part.len() };

        let mut writer = Writer::new(out);
        let last = part.len() - TAIL;
        let matchable = part.get(..part.len() - LITERAL_TAIL)?;
        let mut literals = 0;
        // The first byte must be a literal.
        let mut at = 1;
        let mut misses = 0_usize;
        while at < last {
            let here = load(part, at);
            let slot = table.get_mut(hash(here, bits))?;
            let candidate = *slot as usize;
            *slot = at as u32;
            let distance = at - candidate;
            let mut len = 0;
            if distance <= MAX_DISTANCE && load(part, candidate) == here {
                len = 4 + common(part.get(candidate + 4..)?, matchable.get(at + 4..)?);
            }
            if len < min_match(distance) {
                at += 1 + (misses >> patience);
                misses += 1;
                if at > probe && writer.written() + (at - literals) > at - at / MIN_GAIN {
                    return None;
                }
                continue;
            }
            let before = common_back(part.get(..candidate)?, part.get(literals.max(1)..at)?);
            at -= before;
            len += before;
            writer.pair(part, literals, at, distance, len)?;
            at += len;
            literals = at;
            // Occasional short matches do not justify a search at every position.
            misses = misses.saturating_sub(len);
            for at in [at - 2, at - 1] {
                *table.get_mut(hash(load(part, at), bits))? = at as u32;
            }
        }
        writer.finish(part, literals)
    }
}

#[inline]
fn load(part: &[u8], at: usize) -> u32 {
    part.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

#[inline]
const fn hash(bytes: u32, bits: u32) -> usize {
    // Knuth's multiplicative hash: 2^32 divided by the golden ratio.
    (bytes.wrapping_mul(2_654_435_761) >> (u32::BITS - bits)) as usize
}

/// Returns the length in bytes of the common prefix of `a` and `b`.
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

/// Returns the length in bytes of the common suffix of `a` and `b`.
#[inline]
fn common_back(a: &[u8], b: &[u8]) -> usize {
    a.iter().rev().zip(b.iter().rev()).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::super::blosclz;
    use super::*;

    fn stream(data: &[u8], out: &mut [u8]) -> Option<usize> {
        Finder::new(9, true).compress(data, out)
    }

    /// Compresses and decompresses `data`, and returns the length of the stream.
    fn round_trip(data: &[u8]) -> usize {
        let mut out = vec![0; data.len() * 2 + 64];
        let mut back = vec![0; data.len()];
        let len = stream(data, &mut out).expect("enough room");
        assert!(blosclz::decompress(&out[..len], &mut back));
        assert!(back == data);
        // A buffer that is too small causes no panic, and no success.
        for room in (0..len).step_by(7).take(20) {
            assert_eq!(stream(data, &mut out[..room]), None);
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
                round_trip(&data);
            }
        }
    }

    #[test]
    fn runs_of_every_length() {
        for len in (16..600).chain([100_000]) {
            let len = round_trip(&vec![5; len]);
            assert!(len <= 16 + 100_000 / 255, "{len}");
        }
    }

    #[test]
    fn matches_at_the_limits_of_distance() {
        const FAR: usize = 0x2000;
        const MAX_DISTANCE: usize = FAR + 0xffff;
        let pattern = noise(300);
        for distance in [
            FAR - 2,
            FAR - 1,
            FAR,
            FAR + 1,
            0xffff,
            MAX_DISTANCE - 1,
            MAX_DISTANCE,
            MAX_DISTANCE + 1,
        ] {
            // The zeros are one match, so that the table still holds the pattern.
            let mut data = pattern.clone();
            data.resize(distance, 0);
            data.extend_from_slice(&pattern);
            let far = distance > MAX_DISTANCE;
            assert_eq!(round_trip(&data) > 400 + distance / 255, far, "{distance}");
        }
    }
}
