//! The codes of sequences: three kinds of numbers, each with a table to decode them with.

use super::fse::{Counts, Meaning, Table};

/// The tables of a block.
pub(super) struct Codes {
    /// Of the numbers of literals.
    pub(super) literals: Table,
    /// Of the offsets: the distances plus 3, or 1 to 3 for the last three distances.
    pub(super) offsets: Table,
    /// Of the lengths of matches.
    pub(super) matches: Table,
    /// Whether there are tables, and they belong to this frame.
    known: bool,
}

impl Codes {
    pub(super) const fn new() -> Self {
        Self { literals: Table::EMPTY, offsets: Table::EMPTY, matches: Table::EMPTY, known: false }
    }

    /// The next block is of another frame.
    pub(super) const fn forget_tables(&mut self) {
        self.known = false;
    }

    /// Reads which tables there are from here on. Returns what follows.
    pub(super) fn read<'a>(&mut self, data: &'a [u8]) -> Option<&'a [u8]> {
        const RESERVED: u8 = 0x03;
        let (&modes, data) = data.split_first()?;
        if modes & RESERVED != 0 {
            return None;
        }
        let known = std::mem::replace(&mut self.known, false);
        let data = LITERALS.read(&mut self.literals, known, modes >> 6, data)?;
        let data = OFFSETS.read(&mut self.offsets, known, modes >> 4 & 3, data)?;
        let data = MATCHES.read(&mut self.matches, known, modes >> 2 & 3, data)?;
        self.known = true;
        Some(data)
    }
}

/// What is the same for all tables of a kind.
struct Kind {
    meanings: &'static [Meaning],
    /// The most cells of a table are two to this.
    max_log: u32,
    /// The table that needs not to be sent.
    usual: Table,
}

impl Kind {
    const fn new(meanings: &'static [Meaning], max_log: u32, log: u32, counts: &[i16]) -> Self {
        let mut usual = Table::EMPTY;
        usual.set(&Counts::new(log, counts), meanings);
        Self { meanings, max_log, usual }
    }

    fn read<'a>(
        &self,
        table: &mut Table,
        known: bool,
        mode: u8,
        data: &'a [u8],
    ) -> Option<&'a [u8]> {
        match mode {
            0 => {
                table.copy(&self.usual);
                Some(data)
            }
            1 => {
                let (&symbol, rest) = data.split_first()?;
                table.set_single(*self.meanings.get(usize::from(symbol))?);
                Some(rest)
            }
            2 => {
                let (counts, rest) = Counts::read(data, self.meanings.len(), self.max_log)?;
                table.set(&counts, self.meanings);
                Some(rest)
            }
            _ => known.then_some(data),
        }
    }
}

static LITERALS: Kind = Kind::new(
    &values(0, LITERAL_BITS),
    9,
    6,
    &[
        4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1,
        1, 1, -1, -1, -1, -1,
    ],
);

static OFFSETS: Kind = Kind::new(
    &values(1, OFFSET_BITS),
    8,
    5,
    &[1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1],
);

static MATCHES: Kind = Kind::new(
    &values(3, MATCH_BITS),
    9,
    6,
    &[
        1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
        1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
    ],
);

/// How many bits are added to the symbols' values.
const LITERAL_BITS: [u8; 36] = [
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11,
    12, 13, 14, 15, 16,
];
const OFFSET_BITS: [u8; 32] = [
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25,
    26, 27, 28, 29, 30, 31,
];
const MATCH_BITS: [u8; 53] = [
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
];

/// With its bits, each symbol covers a range of values, and each range starts after the one before.
const fn values<const N: usize>(first: u32, bits: [u8; N]) -> [Meaning; N] {
    let mut values = [(0, 0); N];
    let (mut symbol, mut value) = (0, first);
    while symbol < N {
        values[symbol] = (value, bits[symbol]);
        value = value.wrapping_add(1 << bits[symbol]);
        symbol += 1;
    }
    values
}
