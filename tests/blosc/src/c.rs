//! The C library.

use aiomas_core::wire::codec::blosc::Shuffle;
use blosc::{Clevel, Context, ShuffleMode};

pub use blosc::Compressor;

/// What C compresses with and we read.
pub const COMPRESSORS: [Compressor; 5] =
    [Compressor::BloscLZ, Compressor::LZ4, Compressor::LZ4HC, Compressor::Zlib, Compressor::Zstd];

const LEVELS: [Clevel; 10] = [
    Clevel::None,
    Clevel::L1,
    Clevel::L2,
    Clevel::L3,
    Clevel::L4,
    Clevel::L5,
    Clevel::L6,
    Clevel::L7,
    Clevel::L8,
    Clevel::L9,
];

/// Compresses `data`.
///
/// # Panics
/// If `level` is over 9.
#[must_use]
pub fn compress(
    data: &[u8],
    compressor: Compressor,
    shuffle: Shuffle,
    type_size: u8,
    level: u8,
) -> Vec<u8> {
    let shuffle = match shuffle {
        Shuffle::None => ShuffleMode::None,
        Shuffle::Byte => ShuffleMode::Byte,
        Shuffle::Bit => ShuffleMode::Bit,
    };
    let context = Context::new().compressor(compressor).expect("built with all compressors");
    let context = context.shuffle(shuffle).typesize(Some(type_size.into()));
    context.clevel(LEVELS[usize::from(level)]).compress(data).into()
}

/// Decompresses `frame`.
///
/// Only a frame that one of the two compressors wrote may be given to it in this process: C trusts the
/// header, and overflows its buffer on the frame of c-blosc#405.
///
/// # Panics
/// If the frame has not the length that it says.
#[must_use]
#[allow(unsafe_code)]
pub fn decompress(frame: &[u8]) -> Option<Vec<u8>> {
    let announced = |at| frame.get(at..)?.first_chunk().copied().map(u32::from_le_bytes);
    assert_eq!(announced(12), u32::try_from(frame.len()).ok(), "C would read past the end");
    if announced(4) == Some(0) {
        return Some(Vec::new()); // the crate takes no data for an error
    }
    // SAFETY: the frame is as long as its header says. As bytes, any content is valid.
    unsafe { blosc::decompress_bytes::<u8>(frame) }.ok()
}
