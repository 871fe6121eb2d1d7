use bytes::BufMut as _;

use super::{
    BloscError, COMPRESSOR_SHIFT, Compressor, FLAG_BIT_SHUFFLE, FLAG_BYTE_SHUFFLE, FLAG_DONT_SPLIT,
    FLAG_STORED, HEADER, Header, MAX_DATA, MAX_SPLITS, MIN_PART, Options, Shuffle, VERSION, WORD,
    matches::{Finder, MIN_GAIN},
    shuffle,
    streams::write_lz4,
};

/// The format version of a compressor; only 1 was ever released.
const COMPRESSOR_VERSION: u8 = 1;

/// Appends a Blosc frame of `data` to `out`: at most 16 bytes more than `data`.
///
/// Short or incompressible data is stored uncompressed.
///
/// # Errors
/// Returns a [`BloscError`] if `data` has more than 2 GiB - 17 bytes, or an option is out of range. `out` is then
/// unchanged.
pub fn compress(data: &[u8], options: &Options, out: &mut Vec<u8>) -> Result<(), BloscError> {
    if data.len() > MAX_DATA {
        return Err(BloscError::TooLong { length: data.len(), limit: MAX_DATA });
    }
    if options.type_size == 0 {
        return Err(BloscError::TypeSize);
    }
    if options.level > 9 {
        return Err(BloscError::Level { level: options.level });
    }
    if options.level > 0 && data.len() >= MIN_PART {
        let start = out.len();
        out.resize(start + HEADER + data.len(), 0);
        let written = compress_blocks(data, options, &mut out[start..]).unwrap_or(0);
        out.truncate(start + written);
        if written > 0 {
            return Ok(());
        }
    }
    store(data, out);
    Ok(())
}

/// Appends a frame that stores `data` uncompressed.
fn store(data: &[u8], out: &mut Vec<u8>) {
    out.reserve(HEADER + data.len());
    out.put_slice(&[VERSION, COMPRESSOR_VERSION, FLAG_STORED, 1]);
    out.put_u32_le(data.len() as u32);
    out.put_u32_le(data.len().max(1) as u32);
    out.put_u32_le((HEADER + data.len()) as u32);
    out.put_slice(data);
}

/// Writes a frame and returns its length; `None` if it does not fit.
fn compress_blocks(data: &[u8], options: &Options, frame: &mut [u8]) -> Option<usize> {
    let header = plan(data.len(), options);
    // A part that is one plane of bytes is all noise if its start is. An unsplit block begins with the noisiest plane.
    let mut finder = Finder::new(options.level, header.parts(header.block_size) > 1);
    let mut shuffled = Vec::new();
    let mut at = HEADER + WORD * header.blocks();
    for (index, block) in data.chunks(header.block_size).enumerate() {
        write_word(frame, HEADER + WORD * index, at)?;
        let order = header.shuffle(block.len());
        if order != Shuffle::None {
            shuffled.resize(block.len(), 0);
        }
        let block = match order {
            Shuffle::None => block,
            Shuffle::Byte => {
                shuffle::shuffle(header.type_size, block, &mut shuffled);
                &shuffled
            }
            Shuffle::Bit => {
                shuffle::bit_shuffle(header.type_size, block, &mut shuffled);
                &shuffled
            }
        };
        for part in block.chunks_exact(block.len() / header.parts(block.len())) {
            let out = frame.get_mut(at + WORD..)?;
            // A part as long as its data would be read as a stored part.
            let worthwhile = part.len() - part.len() / MIN_GAIN - 1;
            let room = worthwhile.min(out.len());
            let compressed = match options.compressor {
                Compressor::BloscLz => finder.compress(part, &mut out[..room]),
                Compressor::Lz4 => write_lz4(part, &mut out[..room]),
            };
            let length = if let Some(length) = compressed {
                length
            } else {
                out.get_mut(..part.len())?.copy_from_slice(part);
                part.len()
            };
            write_word(frame, at, length)?;
            at += WORD + length;
        }
    }
    let first = [VERSION, COMPRESSOR_VERSION, header.flags, header.type_size as u8];
    frame.get_mut(..WORD)?.copy_from_slice(&first);
    write_word(frame, 4, header.data_len)?;
    write_word(frame, 8, header.block_size)?;
    write_word(frame, 12, at)?;
    Some(at)
}

fn write_word(frame: &mut [u8], at: usize, word: usize) -> Option<()> {
    *frame.get_mut(at..)?.first_chunk_mut()? = (word as u32).to_le_bytes();
    Some(())
}

/// Chooses the size of the blocks, and splits them as c-blosc does.
fn plan(data_len: usize, options: &Options) -> Header {
    let type_size = usize::from(options.type_size);
    let mut block_size = (16 << 10) << options.level.min(4);
    // Incompressible parts are then skipped sooner, which benefits BloscLZ.
    let split = options.compressor == Compressor::BloscLz && type_size <= MAX_SPLITS;
    if split {
        block_size = (block_size * type_size).min(1 << 20);
    }
    block_size = block_size.min(data_len);
    if block_size > type_size {
        block_size -= block_size % type_size;
    }

    let compressor: u8 = match options.compressor {
        Compressor::BloscLz => 0,
        Compressor::Lz4 => 1,
    };
    let order = match options.shuffle {
        Shuffle::None => 0,
        Shuffle::Byte => FLAG_BYTE_SHUFFLE,
        Shuffle::Bit => FLAG_BIT_SHUFFLE,
    };
    let dont_split = if split && block_size / type_size >= MIN_PART { 0 } else { FLAG_DONT_SPLIT };
    Header {
        compressor_version: COMPRESSOR_VERSION,
        flags: compressor << COMPRESSOR_SHIFT | order | dont_split,
        type_size,
        data_len,
        block_size,
    }
}
