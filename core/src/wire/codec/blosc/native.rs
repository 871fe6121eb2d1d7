//! The C library as the compressor of our own data. Nothing from a peer is ever passed to it.

use blosc::{Clevel, Context, ShuffleMode};

use super::{Compressor, Options, Shuffle};

/// Appends a frame with `data`. `false`: this build of the library lacks the compressor.
pub(super) fn compress(data: &[u8], options: &Options, out: &mut Vec<u8>) -> bool {
    let compressor = match options.compressor {
        Compressor::BloscLz => blosc::Compressor::BloscLZ,
        Compressor::Lz4 => blosc::Compressor::LZ4,
    };
    let Ok(context) = Context::new().compressor(compressor) else {
        return false;
    };
    let shuffle = match options.shuffle {
        Shuffle::None => ShuffleMode::None,
        Shuffle::Byte => ShuffleMode::Byte,
        Shuffle::Bit => ShuffleMode::Bit,
    };
    let frame = context
        .blocksize(None)
        .clevel(level(options.level))
        .shuffle(shuffle)
        .typesize(Some(options.type_size.into()))
        .compress(data);
    out.extend_from_slice(frame.as_ref());
    true
}

const fn level(level: u8) -> Clevel {
    match level {
        0 => Clevel::None,
        1 => Clevel::L1,
        2 => Clevel::L2,
        3 => Clevel::L3,
        4 => Clevel::L4,
        5 => Clevel::L5,
        6 => Clevel::L6,
        7 => Clevel::L7,
        8 => Clevel::L8,
        _ => Clevel::L9,
    }
}
