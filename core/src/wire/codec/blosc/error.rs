/// A frame cannot be read, or not be written as asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BloscError {
    /// The frame is shorter than a header.
    #[error("blosc: a frame of {length} bytes is too short for a header of 16")]
    Truncated {
        /// The length of the frame in bytes.
        length: usize,
    },
    /// The frame is of another version of the format.
    #[error("blosc: format version {version}, only 2 is known")]
    Version {
        /// Byte 0 of the header.
        version: u8,
    },
    /// The frame is longer or shorter than its header says.
    #[error("blosc: the header announces a frame of {announced} bytes, there are {length}")]
    FrameLength {
        /// Bytes 12 to 15 of the header.
        announced: u32,
        /// The length of the frame in bytes.
        length: usize,
    },
    /// The data is larger than the caller, or c-blosc, allows.
    #[error("blosc: {length} bytes of data, the limit is {limit}")]
    TooLong {
        /// The length of the data in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The header has flags that Blosc 1 does not know.
    #[error("blosc: unknown flags {flags:#04x}")]
    Flags {
        /// Byte 2 of the header.
        flags: u8,
    },
    /// The header, or [`Options`](super::Options), have elements of 0 bytes.
    #[error("blosc: a type size of 0")]
    TypeSize,
    /// The level in [`Options`](super::Options) is not one.
    #[error("blosc: level {level}, the highest is 9 (`Options::level`)")]
    Level {
        /// The level.
        level: u8,
    },
    /// The size of a block is 0, larger than the data, or cannot be split into elements.
    #[error("blosc: blocks of {block_size} bytes in {data_len} bytes of data")]
    BlockSize {
        /// Bytes 8 to 11 of the header.
        block_size: u32,
        /// Bytes 4 to 7 of the header.
        data_len: u32,
    },
    /// The header says that the data is stored, but the frame has another length.
    #[error("blosc: {stored} bytes are stored for {data_len} bytes of data")]
    Stored {
        /// The length of the frame without the header in bytes.
        stored: usize,
        /// The announced length of the data in bytes.
        data_len: usize,
    },
    /// The compressor, or its version, is not read: Snappy (code 2), or one that c-blosc 1.x does not have.
    #[error(
        "blosc: compressor {code}{}, version {version}, is not read; blosclz (0), lz4 (1), zlib (3) and zstd (4) are",
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
        /// The number of the block, from 0.
        block: usize,
        /// What is wrong with it.
        fault: Fault,
    },
}

/// What is wrong with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// It starts in the header, or after the end of the frame.
    #[error("offset {offset} is outside the frame's blocks")]
    Offset {
        /// The offset in bytes from the start of the frame.
        offset: u32,
    },
    /// One of its parts is longer than the rest of the frame.
    #[error("a part of {length} bytes at {at} is longer than the frame")]
    PartLength {
        /// The announced length in bytes.
        length: u32,
        /// Where the part starts, in bytes from the start of the frame.
        at: usize,
    },
    /// The blocks so far are longer than the frame, thus share bytes.
    #[error("it shares bytes with other blocks")]
    Overlap,
    /// No data of this compressor can be that well compressed.
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
        /// The length that its data should have in bytes.
        expected: usize,
    },
}
