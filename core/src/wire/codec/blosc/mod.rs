//! Reader and writer of Blosc-1 frames, in safe Rust.
//!
//! A frame is a header of 16 bytes, then either the uncompressed data ("stored"), or a table with the offset of every
//! block and the blocks. The bytes of a block are shuffled, optionally cut into one part per byte of an element, and
//! every part is compressed on its own.
//!
//! [`decompress`] reads what c-blosc 1.x writes with its compressors BloscLZ, LZ4, LZ4HC, zlib and Zstandard; it
//! rejects a frame with Snappy, which no current build of Python's `blosc` writes, with [`BloscError::Compressor`].
//! [`compress`] writes frames that every c-blosc 1.x reads. This module implements the container, the shuffle and
//! BloscLZ, the one compressor that aiomas uses; `lz4_flex`, `miniz_oxide` and `ruzstd` read the other streams. The
//! format has no checksum: damage that keeps the structure intact decodes to different bytes.

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

/// Returns the data length in bytes that the header of `frame` announces, unchecked.
pub(crate) fn announced_length(frame: &[u8]) -> usize {
    let length = frame.get(WORD..).and_then(<[u8]>::first_chunk);
    length.map_or(0, |length| u32::from_le_bytes(*length) as usize)
}

/// Settings of [`compress`].
///
/// The default is that of Python's `blosc.compress`, and therefore of aiomas: BloscLZ, level 9, byte shuffle, elements
/// of 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// The compressor of the shuffled bytes.
    pub compressor: Compressor,
    /// The compression level: 0 stores, 1 is fastest, 9 is smallest.
    pub level: u8,
    /// The reordering of the bytes before compression.
    pub shuffle: Shuffle,
    /// The size of an element in bytes, from 1 to 255. Only the shuffle uses it.
    pub type_size: u8,
}

impl Default for Options {
    fn default() -> Self {
        Self { compressor: Compressor::BloscLz, level: 9, shuffle: Shuffle::Byte, type_size: 8 }
    }
}

/// A compressor that [`compress`] writes. Every build of c-blosc has these.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compressor {
    /// BloscLZ, Blosc's own variant of FastLZ.
    BloscLz,
    /// LZ4.
    Lz4,
}

/// The reordering of the bytes of a block before compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shuffle {
    /// No reordering.
    None,
    /// Byte shuffle: the first byte of every element, then every second byte, and so on.
    Byte,
    /// Bit shuffle: the lowest bit of every element, then every next bit, and so on.
    Bit,
}

/// The length of the header in bytes.
const HEADER: usize = 16;
/// The length in bytes of an offset or a length in the frame.
const WORD: usize = 4;
/// The only format version that c-blosc 1.x ever released.
const VERSION: u8 = 2;
/// The most data bytes of c-blosc, which counts in an `int`.
const MAX_DATA: usize = i32::MAX as usize - HEADER;
/// The largest element size in bytes at which blocks are split.
const MAX_SPLITS: usize = 16;
/// The smallest data to compress, and the smallest part to split off, in bytes.
const MIN_PART: usize = 128;

const FLAG_BYTE_SHUFFLE: u8 = 0x01;
const FLAG_STORED: u8 = 0x02;
const FLAG_BIT_SHUFFLE: u8 = 0x04;
/// The flags of Blosc 2, which no c-blosc 1.x writes.
const FLAG_RESERVED: u8 = 0x08;
const FLAG_DONT_SPLIT: u8 = 0x10;
/// The position of the compressor's code in the flags.
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
    /// Parses and checks the header of `frame`, whose data may have up to `max` bytes.
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
            return Ok(header); // c-blosc checks no further either
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

    /// Returns the range of block `index` in the decompressed bytes.
    fn data_of(&self, index: usize) -> Range<usize> {
        let start = index * self.block_size;
        start..self.data_len.min(start + self.block_size)
    }

    /// Returns the number of parts of a block with `len` bytes of data.
    ///
    /// The conditions are older than the flag, so they also apply to frames without it.
    const fn parts(&self, len: usize) -> usize {
        let split = self.flags & FLAG_DONT_SPLIT == 0
            && self.type_size <= MAX_SPLITS
            && len / self.type_size >= MIN_PART
            && len == self.block_size;
        if split { self.type_size } else { 1 }
    }

    /// Returns the shuffle of a block with `len` bytes of data.
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
