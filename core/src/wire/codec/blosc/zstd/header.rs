//! The headers of a frame and of its blocks.

const MAGIC: [u8; 4] = 0xfd2f_b528_u32.to_le_bytes();
/// No block is longer, neither compressed nor decompressed.
const MAX_BLOCK: u64 = 128 << 10;
/// C refuses larger windows. We need none, but then both agree on what a frame is.
const MAX_WINDOW_LOG: u8 = 31;
/// The length of a block's header in bytes.
pub(super) const BLOCK_HEADER: usize = 3;

/// What a frame says of itself.
pub(super) struct Header {
    /// The length of the data, if it is said.
    pub(super) content_size: Option<u64>,
    /// The most bytes of a block of this frame.
    pub(super) max_block: usize,
    pub(super) has_checksum: bool,
}

impl Header {
    /// Reads the header of a frame. Returns what follows it, too.
    pub(super) fn read(data: &[u8]) -> Option<(Self, &[u8])> {
        const RESERVED: u8 = 0x08;
        let (&descriptor, mut data) = data.strip_prefix(&MAGIC)?.split_first()?;
        if descriptor & RESERVED != 0 {
            return None;
        }
        let mut field = |len| {
            let (field, rest) = data.split_at_checked(len)?;
            data = rest;
            Some(number(field))
        };
        let is_single = descriptor & 0x20 != 0;
        let window = if is_single { None } else { Some(window_size(field(1)? as u8)?) };
        let dictionary = field([0, 1, 2, 4][usize::from(descriptor & 3)])?;
        if dictionary != 0 {
            return None;
        }
        let content_size = match (descriptor >> 6, is_single) {
            (0, false) => None,
            (0, true) => Some(field(1)?),
            (1, _) => Some(field(2)? + 256),
            (2, _) => Some(field(4)?),
            _ => Some(field(8)?),
        };
        // A single segment is its own window.
        let max_block = window.or(content_size)?.min(MAX_BLOCK) as usize;
        Some((Self { content_size, max_block, has_checksum: descriptor & 4 != 0 }, data))
    }
}

fn window_size(byte: u8) -> Option<u64> {
    let log = 10 + (byte >> 3);
    let size = 1_u64 << log;
    (log <= MAX_WINDOW_LOG).then_some(size + size / 8 * u64::from(byte & 7))
}

/// A number of up to eight bytes, little-endian.
pub(super) fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// What a block says of itself.
pub(super) struct BlockHeader {
    pub(super) kind: BlockKind,
    /// Of a repeated byte, how often; otherwise, the length in the frame.
    pub(super) len: usize,
    pub(super) is_last: bool,
}

/// What a block consists of.
pub(super) enum BlockKind {
    /// The data.
    Stored,
    /// One byte of the data, which are all the same.
    Repeated,
    /// Literals and sequences.
    Compressed,
}

impl BlockHeader {
    pub(super) fn read(bytes: [u8; BLOCK_HEADER]) -> Option<Self> {
        let number = number(&bytes);
        let kind = match number >> 1 & 3 {
            0 => BlockKind::Stored,
            1 => BlockKind::Repeated,
            2 => BlockKind::Compressed,
            _ => return None,
        };
        Some(Self { kind, len: (number >> 3) as usize, is_last: number & 1 != 0 })
    }
}
