//! Huffman codes: which bits stand for which byte.

use super::bits::Bits;
use super::fse;
use super::lanes::{self, LOG, Lane, Pair, STEP, Single};

const CELLS: usize = 1 << LOG;
const SYMBOLS: usize = 256;
/// Fewer literals are not worth the table of pairs.
const MIN_PAIRS: usize = 4 << 10;
/// Fewer literals are not in four streams.
const MIN_FOUR: usize = 6;

/// What any next bits, as many as there are in the longest code, begin with.
pub(super) struct Table {
    singles: [Single; CELLS],
    pairs: [Pair; CELLS],
    /// Whether the pairs have been made of the singles.
    paired: bool,
}

impl Table {
    pub(super) const EMPTY: Self = Self { singles: [0; CELLS], pairs: [0; CELLS], paired: false };

    /// Reads a table. Returns what follows it.
    pub(super) fn read<'a>(&mut self, data: &'a [u8]) -> Option<&'a [u8]> {
        let mut weights = Weights { list: [0; SYMBOLS], len: 0 };
        let (&head, data) = data.split_first()?;
        let rest = if head < 128 {
            let (data, rest) = data.split_at_checked(head.into())?;
            weights.decode(data)?;
            rest
        } else {
            let count = usize::from(head) - 127;
            let (data, rest) = data.split_at_checked(count.div_ceil(2))?;
            let halves = data.iter().flat_map(|byte| [byte >> 4, byte & 15]);
            halves.take(count).try_for_each(|weight| weights.push(weight))?;
            rest
        };
        self.set(weights)?;
        Some(rest)
    }

    fn set(&mut self, mut weights: Weights) -> Option<()> {
        let log = weights.complete()?;
        // Each symbol has the cells that begin with its code. The longest codes come first.
        let mut starts = [0; LOG as usize + 1];
        for &weight in weights.known() {
            starts[usize::from(weight)] += Weights::cells(weight, log);
        }
        let mut start = 0;
        for cells in &mut starts {
            (*cells, start) = (start, start + *cells);
        }
        for (symbol, &weight) in weights.known().iter().enumerate() {
            if weight > 0 {
                let cells = Weights::cells(weight, log);
                let start = &mut starts[usize::from(weight)];
                let bits = log + 1 - u32::from(weight);
                self.singles[*start..][..cells].fill((symbol as u16) << 8 | bits as u16);
                *start += cells;
            }
        }
        self.paired = false;
        Some(())
    }

    fn pair(&mut self) {
        for (index, pair) in self.pairs.iter_mut().enumerate() {
            let [first_bits, first] = self.singles[index].to_le_bytes();
            let [bits, second] = self.singles[index << first_bits & (CELLS - 1)].to_le_bytes();
            let both_bits = first_bits + bits;
            let cell = if u32::from(both_bits) <= LOG {
                [first, second, both_bits, 2]
            } else {
                [first, 0, first_bits, 1]
            };
            *pair = Pair::from_le_bytes(cell);
        }
        self.paired = true;
    }

    /// Decodes a stream to exactly `out`.
    pub(super) fn decode_one(&self, data: &[u8], out: &mut [u8]) -> Option<()> {
        self.decode_rest(Bits::new(data)?, out)
    }

    /// Decodes four streams, each to a quarter of `out`.
    pub(super) fn decode_four(&mut self, data: &[u8], out: &mut [u8]) -> Option<()> {
        if out.len() < MIN_FOUR {
            return None;
        }
        let (&[a, b, c, d, e, f], data) = data.split_first_chunk()?;
        let lens = [[a, b], [c, d], [e, f]].map(|len| usize::from(u16::from_le_bytes(len)));
        let last = data.len().checked_sub(lens.iter().sum())?;

        let quarter = out.len().div_ceil(4);
        let mut outs = out.chunks_mut(quarter);
        let mut end = 0;
        let mut lane = |len| {
            end += len;
            Lane::new(data, end - len..end, outs.next().unwrap_or_default())
        };
        let mut lanes = [lane(lens[0])?, lane(lens[1])?, lane(lens[2])?, lane(last)?];

        if 4 * quarter >= MIN_PAIRS && data.len() < quarter * 4 * 5 / 8 {
            if !self.paired {
                self.pair();
            }
            lanes::decode_pairs(data, &mut lanes, &self.pairs);
        } else {
            lanes::decode_singles(data, &mut lanes, &self.singles);
        }
        lanes.into_iter().try_for_each(|lane| {
            let (bits, out) = lane.rest();
            self.decode_rest(bits, out)
        })
    }

    /// Decodes symbol by symbol to exactly `out`.
    fn decode_rest(&self, mut bits: Bits<'_>, out: &mut [u8]) -> Option<()> {
        for step in out.chunks_mut(STEP) {
            bits.refill();
            for symbol in step {
                let single = self.singles[bits.peek(LOG)];
                *symbol = (single >> 8) as u8;
                bits.skip(single as u8);
            }
        }
        bits.is_done().then_some(())
    }
}

/// The weights of symbols: what is 0, has no code, and the highest one has the shortest.
struct Weights {
    list: [u8; SYMBOLS],
    len: usize,
}

impl Weights {
    fn known(&self) -> &[u8] {
        &self.list[..self.len]
    }

    fn push(&mut self, weight: u8) -> Option<()> {
        *self.list.get_mut(self.len)? = weight;
        self.len += 1;
        (u32::from(weight) <= LOG).then_some(())
    }

    /// Decodes weights by two states in turn, until there are no bits left.
    fn decode(&mut self, data: &[u8]) -> Option<()> {
        const MEANINGS: [fse::Meaning; LOG as usize + 1] = {
            let mut meanings = [(0, 0); LOG as usize + 1];
            let mut weight = 0;
            while weight < meanings.len() {
                meanings[weight].0 = weight as u32;
                weight += 1;
            }
            meanings
        };
        let (counts, data) = fse::Counts::read(data, MEANINGS.len(), 6)?;
        let mut table = fse::Table::EMPTY;
        table.set(&counts, &MEANINGS);
        let mut bits = Bits::new(data)?;
        let mut cell = table.cell(table.start(&mut bits));
        let mut other = table.cell(table.start(&mut bits));
        loop {
            bits.refill();
            self.push(cell.value as u8)?;
            cell = table.cell(cell.next(&mut bits));
            if bits.is_over() {
                return self.push(other.value as u8);
            }
            (cell, other) = (other, cell);
        }
    }

    /// Adds the last one, which is what is missing to a power of two, and returns the length of the
    /// longest code in bits.
    fn complete(&mut self) -> Option<u32> {
        let weights = self.known().iter().filter(|weight| **weight > 0);
        let sum: u32 = weights.map(|weight| 1 << (weight - 1)).sum();
        let log = sum.checked_ilog2()? + 1;
        let missing = (1 << log) - sum;
        if log > LOG || !missing.is_power_of_two() {
            return None;
        }
        self.push(missing.ilog2() as u8 + 1)?;
        self.known().contains(&1).then_some(log)
    }

    /// How many cells of a table a symbol has.
    fn cells(weight: u8, log: u32) -> usize {
        if weight == 0 { 0 } else { 1 << (u32::from(weight) - 1 + LOG - log) }
    }
}
