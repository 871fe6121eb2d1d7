//! Zstandard ([RFC 8878](https://www.rfc-editor.org/rfc/rfc8878)), only to decompress.
//!
//! A frame is a header and blocks. A block is stored, or one byte repeated, or compressed: then it has
//! literals, most of them in Huffman codes, and sequences. Each sequence takes some literals, and then
//! repeats earlier bytes of the frame.
//!
//! The length of the data is known before, so all blocks are written to where they belong, and what they
//! repeat is there already: no window is needed, whatever size a frame asks for. Not read are frames that
//! need a dictionary, and more than one frame: c-blosc writes neither. It writes no checksum, either; where
//! there is one, it is checked, as C does.

mod bits;
mod codes;
mod fse;
mod header;
mod huffman;
mod lanes;
mod literals;
mod sequences;
#[cfg(test)]
mod tests;
mod xxh64;

use codes::Codes;
use header::{BLOCK_HEADER, BlockHeader, BlockKind, Header};
use literals::Literals;
use sequences::{Recent, Sequences};

/// What is known from one block to the next. It is of use for the next frame, too, to save the memory.
pub(super) struct Decoder {
    literals: Literals,
    codes: Codes,
}

impl Decoder {
    pub(super) const fn new() -> Self {
        Self { literals: Literals::new(), codes: Codes::new() }
    }

    /// Decompresses `part` to exactly `out`. `false`: it is malformed or has another length.
    pub(super) fn decompress(&mut self, part: &[u8], out: &mut [u8]) -> bool {
        self.frame(part, out).is_some()
    }

    fn frame(&mut self, part: &[u8], out: &mut [u8]) -> Option<()> {
        let (header, rest) = Header::read(part)?;
        if header.content_size.is_some_and(|size| size != out.len() as u64) {
            return None;
        }
        let rest = self.blocks(rest, header.max_block, out)?;
        let rest = if header.has_checksum {
            let (checksum, rest) = rest.split_first_chunk()?;
            if *checksum != (xxh64::hash(out) as u32).to_le_bytes() {
                return None;
            }
            rest
        } else {
            rest
        };
        rest.is_empty().then_some(())
    }

    /// Decompresses all blocks to exactly `out`, and returns what follows them.
    fn blocks<'a>(
        &mut self,
        mut data: &'a [u8],
        max_block: usize,
        out: &mut [u8],
    ) -> Option<&'a [u8]> {
        self.literals.forget_table();
        self.codes.forget_tables();
        let mut recent = Recent::FIRST;
        let mut at = 0;
        loop {
            let (header, rest) = data.split_first_chunk::<BLOCK_HEADER>()?;
            let BlockHeader { kind, len, is_last } = BlockHeader::read(*header)?;
            if len > max_block {
                return None;
            }
            let max_end = out.len().min(at + max_block);
            match kind {
                BlockKind::Stored => {
                    let (block, rest) = rest.split_at_checked(len)?;
                    out.get_mut(at..at + len)?.copy_from_slice(block);
                    (at, data) = (at + len, rest);
                }
                BlockKind::Repeated => {
                    let (&byte, rest) = rest.split_first()?;
                    out.get_mut(at..at + len)?.fill(byte);
                    (at, data) = (at + len, rest);
                }
                BlockKind::Compressed => {
                    let (block, rest) = rest.split_at_checked(len)?;
                    at = self.block(block, &mut recent, out.get_mut(..max_end)?, at)?;
                    data = rest;
                }
            }
            if is_last {
                return (at == out.len()).then_some(data);
            }
        }
    }

    /// Decompresses a block behind the first `at` bytes of `out`. Returns how many there are then.
    fn block(
        &mut self,
        data: &[u8],
        recent: &mut Recent,
        out: &mut [u8],
        at: usize,
    ) -> Option<usize> {
        let (literals, data) = self.literals.read(data, out.len() - at)?;
        let (count, data) = Sequences::count(data)?;
        let (literals, at) = if count > 0 {
            let data = self.codes.read(data)?;
            Sequences::new(&self.codes, data, count)?.run(literals, recent, out, at)?
        } else if data.is_empty() {
            (literals, at)
        } else {
            return None;
        };
        // What no sequence has taken.
        let end = at + literals.len();
        out.get_mut(at..end)?.copy_from_slice(literals);
        Some(end)
    }
}
