//! The literals of a block: what its sequences take their new bytes from.

use super::header::number;
use super::huffman;

/// Decodes literals.
pub(super) struct Literals {
    buffer: Vec<u8>,
    table: huffman::Table,
    /// Whether the table belongs to this frame.
    has_table: bool,
}

impl Literals {
    pub(super) const fn new() -> Self {
        Self { buffer: Vec::new(), table: huffman::Table::EMPTY, has_table: false }
    }

    /// The next block is of another frame.
    pub(super) fn forget_table(&mut self) {
        self.has_table = false;
    }

    /// Reads the literals of a block, at most `max`. Returns what follows them, too.
    pub(super) fn read<'a>(
        &'a mut self,
        data: &'a [u8],
        max: usize,
    ) -> Option<(&'a [u8], &'a [u8])> {
        let (&first, _) = data.split_first()?;
        let (kind, format) = (first & 3, first >> 2 & 3);
        // The lengths of the header in bytes and of the sizes in it in bits.
        let (header, bits) = match (kind, format) {
            (0 | 1, 0 | 2) => (1, 5),
            (0 | 1, 1) => (2, 12),
            (0 | 1, _) => (3, 20),
            (_, 0 | 1) => (3, 10),
            (_, 2) => (4, 14),
            _ => (5, 18),
        };
        let (header, data) = data.split_at_checked(header)?;
        let sizes = number(header) >> if bits == 5 { 3 } else { 4 };
        let size = sizes as usize & ((1 << bits) - 1);
        if size > max {
            return None;
        }
        if kind == 0 {
            return data.split_at_checked(size);
        }
        if self.buffer.len() < size {
            self.buffer.resize(size, 0);
        }
        let literals = &mut self.buffer[..size];
        if kind == 1 {
            let (&byte, rest) = data.split_first()?;
            literals.fill(byte);
            return Some((literals, rest));
        }
        let (mut streams, rest) = data.split_at_checked((sizes >> bits) as usize)?;
        if kind == 2 {
            self.has_table = false;
            streams = self.table.read(streams)?;
            self.has_table = true;
        } else if !self.has_table {
            return None;
        }
        if format == 0 {
            self.table.decode_one(streams, literals)?;
        } else {
            self.table.decode_four(streams, literals)?;
        }
        Some((literals, rest))
    }
}
