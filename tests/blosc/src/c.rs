//! The C library.

use aiomas_core::wire::codec::blosc::Shuffle;
use blosc::{Clevel, Context, ShuffleMode};

pub use blosc::Compressor;

/// The compressors of C that our codec can read.
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
/// `level` is over 9.
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
/// In this process, pass only frames written by one of the two compressors: C trusts the header,
/// and overflows its buffer on the frame of c-blosc#405.
///
/// # Panics
/// The length of the frame differs from its header.
#[must_use]
#[allow(unsafe_code)]
pub fn decompress(frame: &[u8]) -> Option<Vec<u8>> {
    let announced = |at| frame.get(at..)?.first_chunk().copied().map(u32::from_le_bytes);
    assert_eq!(announced(12), u32::try_from(frame.len()).ok(), "C would read past the end");
    if announced(4) == Some(0) {
        return Some(Vec::new()); // the crate reports empty data as an error
    }
    // SAFETY: the frame is as long as its header says. As bytes, any content is valid.
    unsafe { blosc::decompress_bytes::<u8>(frame) }.ok()
}
