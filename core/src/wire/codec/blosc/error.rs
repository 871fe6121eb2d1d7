/// An error of reading or writing a Blosc frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BloscError {
    /// The frame is shorter than a header.
    #[error("blosc: a frame of {length} bytes is too short for a header of 16")]
    Truncated {
        /// The length of the frame in bytes.
        length: usize,
    },
    /// The frame has an unknown version of the format.
    #[error("blosc: format version {version} is not supported; only 2 is")]
    Version {
        /// Byte 0 of the header.
        version: u8,
    },
    /// The length of the frame differs from the length in its header.
    #[error("blosc: the header announces a frame of {announced} bytes, but the frame has {length}")]
    FrameLength {
        /// Bytes 12 to 15 of the header.
        announced: u32,
        /// The length of the frame in bytes.
        length: usize,
    },
    /// The data exceeds the limit of the caller or of c-blosc.
    #[error("blosc: {length} bytes of data exceed the limit of {limit}")]
    TooLong {
        /// The length of the data in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The header has flags that Blosc 1 does not define.
    #[error("blosc: unknown flags {flags:#04x}")]
    Flags {
        /// Byte 2 of the header.
        flags: u8,
    },
    /// The header, or [`Options`](super::Options), give an element size of 0 bytes.
    #[error("blosc: the type size is 0")]
    TypeSize,
    /// The level in [`Options`](super::Options) is out of range.
    #[error("blosc: level {level} exceeds the highest level, 9 (`Options::level`)")]
    Level {
        /// The level.
        level: u8,
    },
    /// The block size is 0, exceeds the data, or does not suit the element size.
    #[error("blosc: blocks of {block_size} bytes do not suit {data_len} bytes of data")]
    BlockSize {
        /// Bytes 8 to 11 of the header.
        block_size: u32,
        /// Bytes 4 to 7 of the header.
        data_len: u32,
    },
    /// The header marks the data as stored, but the frame has another length.
    #[error("blosc: {stored} bytes are stored instead of {data_len}")]
    Stored {
        /// The length of the frame without the header, in bytes.
        stored: usize,
        /// The announced length of the data in bytes.
        data_len: usize,
    },
    /// The compressor or its version is not supported.
    ///
    /// Unsupported are Snappy (code 2) and codes that c-blosc 1.x does not define.
    #[error(
        "blosc: compressor {code}{}, version {version}, is not supported; blosclz (0), lz4 (1), zlib (3) and zstd (4) are",
        if *code == 2 { " (snappy)" } else { "" }
    )]
    Compressor {
        /// The highest 3 bits of byte 2 of the header.
        code: u8,
        /// Byte 1 of the header.
        version: u8,
    },
    /// The frame is too short for the offsets of its blocks.
    #[error("blosc: the offsets of {blocks} blocks do not fit into the frame")]
    Table {
        /// The number of blocks.
        blocks: usize,
    },
    /// A block is damaged.
    #[error("blosc: block {block}: {fault}")]
    Block {
        /// The index of the block, from 0.
        block: usize,
        /// The defect of the block.
        fault: Fault,
    },
}

/// A defect of one block in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// The block starts in the header, or after the end of the frame.
    #[error("offset {offset} is outside the frame's blocks")]
    Offset {
        /// The offset in bytes from the start of the frame.
        offset: u32,
    },
    /// A part of the block is longer than the rest of the frame.
    #[error("a part of {length} bytes at {at} is longer than the frame")]
    PartLength {
        /// The announced length in bytes.
        length: u32,
        /// The start of the part, in bytes from the start of the frame.
        at: usize,
    },
    /// The blocks together are longer than the frame, so they share bytes.
    #[error("it shares bytes with other blocks")]
    Overlap,
    /// The part is shorter than its compressor can make this data.
    #[error("{length} bytes cannot expand to {expected}")]
    Expansion {
        /// The length of the compressed part in bytes.
        length: usize,
        /// The length of its data in bytes.
        expected: usize,
    },
    /// A compressed part is malformed, or its data has another length.
    #[error("a part does not decompress to {expected} bytes")]
    Corrupt {
        /// The expected length of the data in bytes.
        expected: usize,
    },
}
