use ruzstd::decoding::FrameDecoder;

use super::streams::{read_lz4, read_zlib, read_zstd};
use super::{BloscError, COMPRESSOR_SHIFT, Fault, HEADER, Header, Shuffle, WORD, blosclz, shuffle};

/// Decompresses a frame whose data has at most `max` bytes.
///
/// Memory is allocated only after the header, the offsets and the lengths of all parts are checked: blocks may not
/// share bytes, and no part may be shorter than its compressor can make it. A frame therefore costs only memory that
/// its bytes could fill: 255 times its length for BloscLZ and LZ4, 1032 times for zlib, 32768 times for Zstandard. With
/// the working space, decompression takes up to 5 times the data, plus 512 KiB.
///
/// # Errors
/// Returns a [`BloscError`] if the frame is malformed, uses an unknown compressor, or holds more than `max` bytes.
pub fn decompress(frame: &[u8], max: usize) -> Result<Vec<u8>, BloscError> {
    let header = Header::parse(frame, max)?;
    if header.data_len == 0 {
        return Ok(Vec::new());
    }
    if header.is_stored() {
        let stored = frame.get(HEADER..).unwrap_or_default();
        if stored.len() != header.data_len {
            return Err(BloscError::Stored { stored: stored.len(), data_len: header.data_len });
        }
        return Ok(stored.to_vec());
    }
    let mut decoder = Decoder::new(&header)?;
    let blocks = Blocks::new(frame, &header)?;
    blocks.check(decoder.max_expansion())?;

    let mut data = Vec::with_capacity(header.data_len + shuffle::SLACK);
    let mut shuffled = Vec::new(); // grows to the longest block so far
    for index in 0..header.blocks() {
        let len = header.data_of(index).len();
        let order = header.shuffle(len);
        if order == Shuffle::None {
            let start = data.len();
            blocks.decode(index, &mut decoder, &mut data, start)?;
            continue;
        }
        shuffled.reserve_exact(len.saturating_sub(shuffled.len()));
        blocks.decode(index, &mut decoder, &mut shuffled, 0)?;
        match order {
            Shuffle::Bit => shuffle::bit_unshuffle(header.type_size, &shuffled[..len], &mut data),
            _ => shuffle::unshuffle(header.type_size, &shuffled[..len], &mut data),
        }
    }
    Ok(data)
}

/// The blocks of a frame.
struct Blocks<'a> {
    frame: &'a [u8],
    header: &'a Header,
    /// The offset of each block, in bytes from the start of the frame.
    offsets: &'a [[u8; WORD]],
}

impl<'a> Blocks<'a> {
    fn new(frame: &'a [u8], header: &'a Header) -> Result<Self, BloscError> {
        let blocks = header.blocks();
        let (offsets, _) = frame.get(HEADER..).unwrap_or_default().as_chunks();
        let offsets = offsets.get(..blocks).ok_or(BloscError::Table { blocks })?;
        Ok(Self { frame, header, offsets })
    }

    /// Checks that the blocks lie within the frame and could expand to the announced length.
    fn check(&self, max_expansion: usize) -> Result<(), BloscError> {
        let mut left = self.frame.len() - HEADER - WORD * self.offsets.len();
        for index in 0..self.offsets.len() {
            let expected = self.part_len(index);
            self.for_each_part(index, |part| {
                left = left.checked_sub(WORD + part.len()).ok_or(Fault::Overlap)?;
                if part.len().saturating_mul(max_expansion) < expected {
                    return Err(Fault::Expansion { length: part.len(), expected });
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Decompresses block `index` to `out` from `at` on, still shuffled.
    fn decode(
        &self,
        index: usize,
        decoder: &mut Decoder,
        out: &mut Vec<u8>,
        mut at: usize,
    ) -> Result<(), BloscError> {
        let expected = self.part_len(index);
        self.for_each_part(index, |part| {
            let end = at + expected;
            if part.len() == expected && out.len() == at {
                out.extend_from_slice(part); // no zeros are needed first
            } else {
                if out.len() < end {
                    out.resize(end, 0);
                }
                let out = &mut out[at..end];
                if part.len() == expected {
                    out.copy_from_slice(part);
                } else if !decoder.decode(part, out) {
                    return Err(Fault::Corrupt { expected });
                }
            }
            at = end;
            Ok(())
        })
    }

    /// Returns the decompressed length in bytes of each part of block `index`.
    fn part_len(&self, index: usize) -> usize {
        let len = self.header.data_of(index).len();
        len / self.header.parts(len)
    }

    fn for_each_part(
        &self,
        index: usize,
        mut visit: impl FnMut(&'a [u8]) -> Result<(), Fault>,
    ) -> Result<(), BloscError> {
        let mut visit_all = || {
            let offset = u32::from_le_bytes(self.offsets.get(index).copied().unwrap_or_default());
            let mut at = offset as usize;
            if at < HEADER + WORD * self.offsets.len() {
                return Err(Fault::Offset { offset });
            }
            for _ in 0..self.header.parts(self.header.data_of(index).len()) {
                let rest = self.frame.get(at..).unwrap_or_default();
                let (length, rest) = rest.split_first_chunk().ok_or(Fault::Offset { offset })?;
                let length = u32::from_le_bytes(*length);
                let fault = Fault::PartLength { length, at };
                let part = rest.get(..length as usize).ok_or(fault)?;
                visit(part)?;
                at += WORD + part.len();
            }
            Ok(())
        };
        visit_all().map_err(|fault| BloscError::Block { block: index, fault })
    }
}

/// The decompressor of the parts of a frame.
enum Decoder {
    BloscLz,
    Lz4,
    Zlib,
    Zstd(Box<FrameDecoder>),
}

impl Decoder {
    fn new(header: &Header) -> Result<Self, BloscError> {
        match (header.flags >> COMPRESSOR_SHIFT, header.compressor_version) {
            (0, 1) => Ok(Self::BloscLz),
            (1, 1) => Ok(Self::Lz4),
            (3, 1) => Ok(Self::Zlib),
            (4, 1) => Ok(Self::Zstd(Box::default())),
            (code, version) => Err(BloscError::Compressor { code, version }),
        }
    }

    /// Returns the most bytes to which one compressed byte can expand.
    const fn max_expansion(&self) -> usize {
        match self {
            // A continuation byte of a match's length.
            Self::BloscLz | Self::Lz4 => 255,
            // A match of 258 bytes in two bits.
            Self::Zlib => 258 * 4,
            // A block of 128 KiB in four bytes.
            Self::Zstd(_) => (128 << 10) / 4,
        }
    }

    /// Decompresses `part` to exactly `out`, never more. Returns `false` on failure.
    fn decode(&mut self, part: &[u8], out: &mut [u8]) -> bool {
        match self {
            Self::BloscLz => blosclz::decompress(part, out),
            Self::Lz4 => read_lz4(part, out),
            Self::Zlib => read_zlib(part, out),
            Self::Zstd(decoder) => read_zstd(decoder, part, out),
        }
    }
}
