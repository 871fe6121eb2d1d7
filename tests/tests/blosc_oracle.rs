//! The Blosc codec against c-blosc, in both directions.

use std::iter::repeat_n;

use aiomas_core::wire::codec::blosc::{self as ours, Options, Shuffle};
use blosc::{Clevel, Compressor, Context, ShuffleMode};

const TYPE_SIZES: [u8; 9] = [1, 2, 3, 4, 7, 8, 16, 17, 255];
const LEVELS: [Clevel; 4] = [Clevel::None, Clevel::L1, Clevel::L5, Clevel::L9];
const SHUFFLES: [(Shuffle, ShuffleMode); 3] = [
    (Shuffle::None, ShuffleMode::None),
    (Shuffle::Byte, ShuffleMode::Byte),
    (Shuffle::Bit, ShuffleMode::Bit),
];
const COMPRESSORS: [Compressor; 5] =
    [Compressor::BloscLZ, Compressor::LZ4, Compressor::LZ4HC, Compressor::Zlib, Compressor::Zstd];

/// Decompresses `frame` with c-blosc.
#[allow(unsafe_code)]
fn c_decompress(frame: &[u8]) -> Option<Vec<u8>> {
    assert!(frame.len() >= 16, "c-blosc would read past the end of the frame");
    // SAFETY: the frame was written by this test, from either compressor, and is as long as its
    // header says. As bytes, any content is valid.
    unsafe { blosc::decompress_bytes::<u8>(frame) }.ok()
}

fn c_compress(
    data: &[u8],
    compressor: Compressor,
    shuffle: ShuffleMode,
    type_size: u8,
    level: Clevel,
) -> Vec<u8> {
    let context = Context::new().compressor(compressor).expect("built with all compressors");
    let context = context.shuffle(shuffle).typesize(Some(type_size.into())).clevel(level);
    context.compress(data).into()
}

fn our_compress(
    data: &[u8],
    compressor: ours::Compressor,
    shuffle: Shuffle,
    type_size: u8,
    level: u8,
) -> Vec<u8> {
    let mut options = Options::default();
    options.compressor = compressor;
    options.shuffle = shuffle;
    options.type_size = type_size;
    options.level = level;
    let mut frame = Vec::new();
    ours::compress(data, &options, &mut frame).expect("options in range");
    frame
}

/// Bytes without any pattern, always the same ones.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1_u32;
    repeat_n((), len)
        .map(|()| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect()
}

fn text(len: usize) -> Vec<u8> {
    let words = ["agent", "power", "[1, 2, 3]", "grid", "schedule", "a", "{\"t\": 0.25}", "\n"];
    let words = noise(len).into_iter().flat_map(|byte| words[usize::from(byte) % 8].bytes());
    words.take(len).collect()
}

fn sine(elements: usize) -> Vec<u8> {
    (0..elements).flat_map(|i| (i as f64 / 100.0).sin().to_le_bytes()).collect()
}

/// Small payloads: every combination is tried.
fn small() -> Vec<Vec<u8>> {
    vec![
        vec![],
        vec![7],
        text(127),
        text(128),
        text(1_001),
        (0..300_u64).flat_map(u64::to_le_bytes).collect(),
        sine(512),
        noise(1_500),
        vec![0; 4_096],
    ]
}

/// Payloads of several blocks.
fn large() -> Vec<Vec<u8>> {
    let mut mixed = text(120_000);
    mixed.extend(noise(60_003));
    mixed.extend(sine(15_000));
    vec![mixed, (0..40_000_u64).flat_map(u64::to_le_bytes).collect(), vec![0; 300_000]]
}

fn check_c_to_ours(data: &[u8], type_sizes: &[u8], levels: &[Clevel]) {
    for compressor in COMPRESSORS {
        for (_, shuffle) in SHUFFLES {
            for &type_size in type_sizes {
                for &level in levels {
                    let frame = c_compress(data, compressor, shuffle, type_size, level);
                    let back = ours::decompress(&frame, data.len());
                    let back = back.unwrap_or_else(|error| {
                        panic!("{compressor:?} {shuffle:?} {type_size} {level:?}: {error}")
                    });
                    assert!(back == data, "{compressor:?} {shuffle:?} {type_size} {level:?}");
                }
            }
        }
    }
}

fn check_ours_to_c(data: &[u8], type_sizes: &[u8], levels: &[u8]) {
    for compressor in [ours::Compressor::BloscLz, ours::Compressor::Lz4] {
        for (shuffle, _) in SHUFFLES {
            for &type_size in type_sizes {
                for &level in levels {
                    let frame = our_compress(data, compressor, shuffle, type_size, level);
                    assert!(frame.len() <= data.len() + 16);
                    // The crate takes an empty frame for an error.
                    let theirs = if data.is_empty() { Some(vec![]) } else { c_decompress(&frame) };
                    let what = format!(
                        "{compressor:?} {shuffle:?}, {} bytes, type size {type_size}, level {level}",
                        data.len()
                    );
                    assert!(theirs.as_deref() == Some(data), "c-blosc does not read {what}");
                    let back = ours::decompress(&frame, data.len()).ok();
                    assert!(back.as_deref() == Some(data), "we do not read {what}");
                }
            }
        }
    }
}

#[test]
fn small_frames_from_c() {
    for data in small() {
        check_c_to_ours(&data, &TYPE_SIZES, &LEVELS);
    }
}

#[test]
fn large_frames_from_c() {
    for data in large() {
        check_c_to_ours(&data, &[1, 4, 17], &[Clevel::L1, Clevel::L5]);
        check_c_to_ours(&data, &[8], &[Clevel::L1]);
    }
}

#[test]
fn small_frames_to_c() {
    for data in small() {
        check_ours_to_c(&data, &TYPE_SIZES, &[0, 1, 5, 9]);
    }
}

#[test]
fn large_frames_to_c() {
    for data in large() {
        check_ours_to_c(&data, &[1, 3, 8, 255], &[1, 9]);
    }
}

#[test]
fn frames_are_not_much_larger_than_from_c() {
    // Data that changes in the middle is left out: how much of it either side tries is a matter of luck.
    for data in large().into_iter().skip(1).chain([sine(100_000)]) {
        let theirs = c_compress(&data, Compressor::BloscLZ, ShuffleMode::Byte, 8, Clevel::L9);
        let ours = our_compress(&data, ours::Compressor::BloscLz, Shuffle::Byte, 8, 9);
        assert!(ours.len() <= theirs.len() + theirs.len() / 20, "{} {}", ours.len(), theirs.len());
    }
}
