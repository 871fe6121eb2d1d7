//! Blosc-1 frames, in safe Rust, both directions.
//!
//! A frame is a header of 16 bytes, then either the data as it is ("stored"), or a table with the
//! offset of every block and the blocks. A block's bytes are shuffled, optionally cut into one part per
//! byte of an element, and every part is compressed on its own.
//!
//! [`decompress`] reads what c-blosc 1.x writes with its compressors BloscLZ, LZ4, LZ4HC, zlib and Zstandard; a frame
//! with Snappy, which no current build of Python's `blosc` writes, is refused as [`BloscError::Compressor`].
//! [`compress`] writes what every c-blosc 1.x reads. The container, BloscLZ, the one compressor that aiomas uses, and
//! the shuffle are in this module; the other streams are read by `lz4_flex`, `miniz_oxide` and `ruzstd`.
//! The format has no checksum: damage that keeps the structure intact decodes to other bytes.

use std::ops::Range;

mod blosclz;
mod copy;
mod decode;
mod encode;
mod error;
mod matches;
mod shuffle;
mod streams;
#[cfg(test)]
mod tests;

pub use decode::decompress;
pub use encode::compress;
pub use error::{BloscError, Fault};

/// How many bytes of data `frame` says to have, unchecked.
pub(crate) fn announced_length(frame: &[u8]) -> usize {
    let length = frame.get(WORD..).and_then(<[u8]>::first_chunk);
    length.map_or(0, |length| u32::from_le_bytes(*length) as usize)
}

/// How [`compress`] writes a frame.
///
/// The default is what Python's `blosc.compress` does, and therefore aiomas: BloscLZ, level 9, byte
/// shuffle, elements of 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// What compresses the shuffled bytes.
    pub compressor: Compressor,
    /// From 0, only store, over 1, fast, to 9, small.
    pub level: u8,
    /// How the bytes are reordered before.
    pub shuffle: Shuffle,
    /// The size of an element in bytes, from 1 to 255. Only the shuffle looks at it.
    pub type_size: u8,
}

impl Default for Options {
    fn default() -> Self {
        Self { compressor: Compressor::BloscLz, level: 9, shuffle: Shuffle::Byte, type_size: 8 }
    }
}

/// The compressors that [`compress`] writes: those that every build of c-blosc has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compressor {
    /// Blosc's own, a FastLZ.
    BloscLz,
    /// LZ4.
    Lz4,
}

/// How the bytes of a block are reordered before they are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shuffle {
    /// Not at all.
    None,
    /// First the first byte of every element, then the second ones, and so on.
    Byte,
    /// First the lowest bit of every element, then the next ones, and so on.
    Bit,
}

/// The length of the header in bytes.
const HEADER: usize = 16;
/// The length of an offset or a length in the frame in bytes.
const WORD: usize = 4;
/// The only format version that c-blosc 1.x ever released.
const VERSION: u8 = 2;
/// What c-blosc takes at most: it counts in an `int`.
const MAX_DATA: usize = i32::MAX as usize - HEADER;
/// Larger elements are never split.
const MAX_SPLITS: usize = 16;
/// Less data than this is only stored, a part smaller than this is not split off.
const MIN_PART: usize = 128;

const FLAG_BYTE_SHUFFLE: u8 = 0x01;
const FLAG_STORED: u8 = 0x02;
const FLAG_BIT_SHUFFLE: u8 = 0x04;
/// Never written by a c-blosc 1.x: the flags of Blosc 2.
const FLAG_RESERVED: u8 = 0x08;
const FLAG_DONT_SPLIT: u8 = 0x10;
/// The bits above are the compressor's code.
const COMPRESSOR_SHIFT: u32 = 5;

/// A checked header, without the length of the frame.
#[derive(Clone, Copy, Debug)]
struct Header {
    compressor_version: u8,
    flags: u8,
    type_size: usize,
    data_len: usize,
    block_size: usize,
}

impl Header {
    /// Reads and checks the header of `frame`, whose data may have up to `max` bytes.
    fn parse(frame: &[u8], max: usize) -> Result<Self, BloscError> {
        let Some(&[version, compressor_version, flags, type_size, ref words @ ..]) =
            frame.first_chunk::<HEADER>()
        else {
            return Err(BloscError::Truncated { length: frame.len() });
        };
        let &[a, b, c, d, e, f, g, h, i, j, k, l] = words;
        let data_len = u32::from_le_bytes([a, b, c, d]);
        let block_size = u32::from_le_bytes([e, f, g, h]);
        let frame_len = u32::from_le_bytes([i, j, k, l]);

        if version != VERSION {
            return Err(BloscError::Version { version });
        }
        if frame_len as usize != frame.len() {
            return Err(BloscError::FrameLength { announced: frame_len, length: frame.len() });
        }
        let limit = max.min(MAX_DATA);
        if data_len as usize > limit {
            return Err(BloscError::TooLong { length: data_len as usize, limit });
        }
        let header = Self {
            compressor_version,
            flags,
            type_size: type_size.into(),
            data_len: data_len as usize,
            block_size: block_size as usize,
        };
        if header.data_len == 0 {
            return Ok(header); // c-blosc looks no further either
        }
        if flags & FLAG_RESERVED != 0 {
            return Err(BloscError::Flags { flags });
        }
        if type_size == 0 {
            return Err(BloscError::TypeSize);
        }
        let parts = if header.is_stored() { 1 } else { header.parts(header.block_size) };
        if block_size == 0 || block_size > data_len || !header.block_size.is_multiple_of(parts) {
            return Err(BloscError::BlockSize { block_size, data_len });
        }
        Ok(header)
    }

    const fn is_stored(&self) -> bool {
        self.flags & FLAG_STORED != 0
    }

    const fn blocks(&self) -> usize {
        self.data_len.div_ceil(self.block_size)
    }

    /// Where the data of block `index` is in the decompressed bytes.
    fn data_of(&self, index: usize) -> Range<usize> {
        let start = index * self.block_size;
        start..self.data_len.min(start + self.block_size)
    }

    /// How many parts a block with `len` bytes of data is cut into.
    ///
    /// The conditions are older than the flag, so they hold for frames without it as well.
    const fn parts(&self, len: usize) -> usize {
        let split = self.flags & FLAG_DONT_SPLIT == 0
            && self.type_size <= MAX_SPLITS
            && len / self.type_size >= MIN_PART
            && len == self.block_size;
        if split { self.type_size } else { 1 }
    }

    /// How a block with `len` bytes of data is shuffled.
    const fn shuffle(&self, len: usize) -> Shuffle {
        if self.flags & FLAG_BYTE_SHUFFLE != 0 && self.type_size > 1 {
            Shuffle::Byte
        } else if self.flags & FLAG_BIT_SHUFFLE != 0 && len >= self.type_size {
            Shuffle::Bit
        } else {
            Shuffle::None
        }
    }
}
