//! Finite state entropy: a number of bits, which need not be whole, for each symbol.
//!
//! Every state of the decoder stands for a symbol, and says with which bits to get to the next state.

use super::bits::Bits;

/// No table has more cells.
const CELLS: usize = 1 << 9;
/// No table has more symbols.
const SYMBOLS: usize = 53;

/// What a state stands for.
#[derive(Clone, Copy)]
pub(super) struct Cell {
    /// The next bits are added to this for the next state.
    next: u16,
    /// How many bits these are.
    next_bits: u8,
    /// How many bits are to be added to the value.
    pub(super) value_bits: u8,
    /// What the symbol means.
    pub(super) value: u32,
}

impl Cell {
    const NONE: Self = Self { next: 0, next_bits: 0, value_bits: 0, value: 0 };

    /// Reads the state after this.
    #[inline(always)]
    pub(super) fn next(self, bits: &mut Bits<'_>) -> usize {
        usize::from(self.next) + bits.read(self.next_bits) as usize
    }
}

/// The states of a decoder.
pub(super) struct Table {
    /// There are two to this.
    log: u8,
    cells: [Cell; CELLS],
}

/// What a symbol means: a value, and how many bits are to be added to it.
pub(super) type Meaning = (u32, u8);

/// How many cells of a table stand for each symbol. With -1 it is one, too, but the next state may be any.
pub(super) struct Counts {
    log: u32,
    counts: [i16; SYMBOLS],
}

impl Counts {
    /// The counts of the first symbols, which fill a table of two to `log` cells.
    pub(super) const fn new(log: u32, first: &[i16]) -> Self {
        let mut counts = [0; SYMBOLS];
        counts.split_at_mut(first.len()).0.copy_from_slice(first);
        Self { log, counts }
    }

    /// Reads the counts of up to `symbols` symbols. Returns what follows them, too.
    pub(super) fn read(data: &[u8], symbols: usize, max_log: u32) -> Option<(Self, &[u8])> {
        let mut at = 0;
        // 25 bits or more from bit `at` on.
        let peek = |at: usize| {
            let mut bytes = [0; 4];
            let rest = data.get(at / 8..).unwrap_or_default();
            let len = rest.len().min(4);
            bytes[..len].copy_from_slice(&rest[..len]);
            u32::from_le_bytes(bytes) >> (at % 8)
        };
        let log = (peek(at) & 15) + 5;
        at += 4;
        if log > max_log {
            return None;
        }
        let mut counts = [0; SYMBOLS];
        let mut symbols = counts.get_mut(..symbols)?.iter_mut();
        let mut left = 1_u32 << log;
        while left > 0 {
            // A number from 0 to `left + 1`. The smaller ones take a bit less than the others.
            let bits = (left + 1).ilog2() + 1;
            let short = (1 << bits) - 1 - (left + 1);
            let next = peek(at);
            let low = next & ((1 << (bits - 1)) - 1);
            let number = if low < short {
                at += bits as usize - 1;
                low
            } else {
                at += bits as usize;
                let number = next & ((1 << bits) - 1);
                if number >> (bits - 1) == 0 { number } else { number - short }
            };
            let count = number as i16 - 1;
            *symbols.next()? = count;
            left -= u32::from(count.unsigned_abs());
            if count == 0 {
                // How many more have none, in steps of up to 3.
                loop {
                    let more = peek(at) & 3;
                    at += 2;
                    for _ in 0..more {
                        symbols.next()?;
                    }
                    if more < 3 {
                        break;
                    }
                }
            }
        }
        let rest = data.get(at.div_ceil(8)..)?;
        Some((Self { log, counts }, rest))
    }
}

impl Table {
    pub(super) const EMPTY: Self = Self { log: 0, cells: [Cell::NONE; CELLS] };

    /// Makes it a table of one state.
    pub(super) fn set_single(&mut self, (value, value_bits): Meaning) {
        self.log = 0;
        self.cells[0] = Cell { value, value_bits, ..Cell::NONE };
    }

    /// Makes it the same as another one.
    pub(super) fn copy(&mut self, other: &Self) {
        let size = 1 << other.log;
        self.log = other.log;
        self.cells[..size].copy_from_slice(&other.cells[..size]);
    }

    /// Spreads the symbols over the cells. The counts fill a table.
    pub(super) const fn set(&mut self, counts: &Counts, meanings: &[Meaning]) {
        let Counts { log, ref counts } = *counts;
        self.log = log as u8;
        let size = 1_usize << log;
        let mut symbols = [0_u8; CELLS];
        // The number of the symbol's next cell, which begins with its count.
        let mut numbers = [1_u16; SYMBOLS];
        // Those that are less frequent than a cell are at the end.
        let mut end = size;
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if counts[symbol] < 0 {
                end -= 1;
                symbols[end] = symbol as u8;
            } else {
                numbers[symbol] = counts[symbol] as u16;
            }
            symbol += 1;
        }
        let step = (size >> 1) + (size >> 3) + 3;
        let mut at = 0;
        let mut symbol = 0;
        while symbol < SYMBOLS {
            let mut count = counts[symbol];
            while count > 0 {
                symbols[at % CELLS] = symbol as u8;
                count -= 1;
                at = (at + step) & (size - 1);
                while at >= end {
                    at = (at + step) & (size - 1);
                }
            }
            symbol += 1;
        }
        let mut state = 0;
        while state < size {
            let symbol = symbols[state] as usize;
            let number = numbers[symbol];
            numbers[symbol] += 1;
            let next_bits = log - number.ilog2();
            let (value, value_bits) = meanings[symbol];
            let next = ((number as u32) << next_bits) as usize - size;
            self.cells[state] =
                Cell { next: next as u16, next_bits: next_bits as u8, value_bits, value };
            state += 1;
        }
    }

    /// Reads a first state.
    #[inline(always)]
    pub(super) fn start(&self, bits: &mut Bits<'_>) -> usize {
        bits.refill();
        bits.read(self.log) as usize
    }

    #[inline(always)]
    pub(super) fn cell(&self, state: usize) -> Cell {
        self.cells[state % CELLS]
    }
}
