//! Sequences: how many literals to take, and then which earlier bytes to repeat.

use super::super::copy::{copy_literals, copy_match};
use super::bits::Bits;
use super::codes::Codes;

/// Literals of at most this many bytes are copied in one step.
const SHORT: usize = 16;

/// The sequences of a block.
pub(super) struct Sequences<'a> {
    codes: &'a Codes,
    bits: Bits<'a>,
    count: usize,
}

impl<'a> Sequences<'a> {
    /// Reads how many sequences a block has. Returns what follows, too.
    pub(super) fn count(data: &[u8]) -> Option<(usize, &[u8])> {
        let (&first, data) = data.split_first()?;
        let first = usize::from(first);
        match first {
            0..128 => Some((first, data)),
            128..255 => {
                let (&second, data) = data.split_first()?;
                Some(((first - 128) << 8 | usize::from(second), data))
            }
            _ => {
                let (more, data) = data.split_first_chunk()?;
                Some((0x7f00 + usize::from(u16::from_le_bytes(*more)), data))
            }
        }
    }

    /// Those that are coded in `data`.
    pub(super) fn new(codes: &'a Codes, data: &'a [u8], count: usize) -> Option<Self> {
        Some(Self { codes, bits: Bits::new(data)?, count })
    }

    /// Appends to the first `at` bytes of `out`. Returns the literals that are left, and how many bytes
    /// there are then.
    pub(super) fn run<'b>(
        self,
        mut literals: &'b [u8],
        recent: &mut Recent,
        out: &mut [u8],
        mut at: usize,
    ) -> Option<(&'b [u8], usize)> {
        /// More bits than this leave too few in the window for those of the next states, up to 26.
        const MANY: u8 = 30;
        let Self { codes, mut bits, count } = self;
        let mut literal_state = codes.literals.start(&mut bits);
        let mut offset_state = codes.offsets.start(&mut bits);
        let mut match_state = codes.matches.start(&mut bits);
        // In a variable of its own, this is in registers.
        let mut distances = *recent;
        for left in (0..count).rev() {
            let literal = codes.literals.cell(literal_state);
            let offset = codes.offsets.cell(offset_state);
            let match_ = codes.matches.cell(match_state);
            bits.refill();
            let offset_value = offset.value + bits.read(offset.value_bits) as u32;
            let len_bits = match_.value_bits + literal.value_bits;
            if len_bits + offset.value_bits > MANY {
                bits.refill();
            }
            let match_len = match_.value as usize + bits.read(match_.value_bits) as usize;
            let literal_len = literal.value as usize + bits.read(literal.value_bits) as usize;
            if len_bits > MANY {
                bits.refill();
            }
            if left > 0 {
                literal_state = literal.next(&mut bits);
                match_state = match_.next(&mut bits);
                offset_state = offset.next(&mut bits);
            }
            let distance = distances.resolve(offset_value, literal_len == 0);

            copy_literals::<SHORT>(literals, literal_len, out, at)?;
            literals = literals.get(literal_len..)?;
            at += literal_len;
            copy_match(out, at, distance, match_len)?;
            at += match_len;
        }
        *recent = distances;
        bits.is_done().then_some((literals, at))
    }
}

/// The last three distances, the newest first.
#[derive(Clone, Copy)]
pub(super) struct Recent([u32; 3]);

impl Recent {
    /// What a frame begins with.
    pub(super) const FIRST: Self = Self([1, 4, 8]);

    /// The distance that is meant by the value of an offset.
    #[inline(always)]
    fn resolve(&mut self, value: u32, no_literals: bool) -> usize {
        let [a, b, c] = self.0;
        self.0 = if value > 3 {
            [value - 3, a, b]
        } else {
            // Right after a match, the same distance would only make that longer.
            match value + u32::from(no_literals) {
                1 => [a, b, c],
                2 => [b, a, c],
                3 => [c, a, b],
                _ => [a - 1, a, b],
            }
        };
        self.0[0] as usize
    }
}
