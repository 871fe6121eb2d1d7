use miniz_oxide::deflate::compress_to_vec_zlib;

use super::*;

const SNAPPY: u8 = 2 << COMPRESSOR_SHIFT;
const ZLIB: u8 = 3 << COMPRESSOR_SHIFT;
const ZSTD: u8 = 4 << COMPRESSOR_SHIFT;
const MAX: usize = 1 << 20;

fn compressed(data: &[u8], options: Options) -> Vec<u8> {
    let mut out = Vec::from("before");
    compress(data, &options, &mut out).expect("options in range");
    assert_eq!(&out[..6], b"before");
    out[6..].to_vec()
}

/// Builds a frame of blocks, each a list of parts.
fn frame(flags: u8, type_size: u8, data_len: u32, block_size: u32, blocks: &[&[&[u8]]]) -> Vec<u8> {
    let mut frame = vec![VERSION, 1, flags, type_size];
    frame.extend(data_len.to_le_bytes());
    frame.extend(block_size.to_le_bytes());
    frame.extend([0; 4]);
    let mut offset = HEADER + WORD * blocks.len();
    for block in blocks {
        frame.extend((offset as u32).to_le_bytes());
        offset += block.iter().map(|part| WORD + part.len()).sum::<usize>();
    }
    for part in blocks.iter().copied().flatten() {
        frame.extend((part.len() as u32).to_le_bytes());
        frame.extend_from_slice(part);
    }
    sealed(frame)
}

/// Writes the actual length of the frame into its header.
fn sealed(mut frame: Vec<u8>) -> Vec<u8> {
    let len = frame.len() as u32;
    if let Some(field) = frame.get_mut(12..16) {
        field.copy_from_slice(&len.to_le_bytes());
    }
    frame
}

fn with_word(frame: &[u8], at: usize, word: u32) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[at..at + WORD].copy_from_slice(&word.to_le_bytes());
    frame
}

fn integers(count: u64) -> Vec<u8> {
    (0..count).flat_map(u64::to_le_bytes).collect()
}

/// Returns the simplest Zstandard frame: blocks that repeat one byte, or are stored.
fn zstd(data: &[u8]) -> Vec<u8> {
    let mut frame = b"\x28\xb5\x2f\xfd\xa0".to_vec();
    frame.extend((data.len() as u32).to_le_bytes());
    let mut blocks = data.chunks(128 << 10).peekable();
    while let Some(block) = blocks.next() {
        let is_last = u32::from(blocks.peek().is_none());
        let repeated = block.iter().all(|byte| *byte == block[0]);
        let header = (block.len() as u32) << 3 | u32::from(repeated) << 1 | is_last;
        frame.extend(&header.to_le_bytes()[..3]);
        frame.extend(if repeated { &block[..1] } else { block });
    }
    frame
}

/// Returns a frame of several blocks, with its data, for each compressor.
fn samples() -> Vec<(Vec<u8>, Vec<u8>)> {
    let data = integers(400);
    let halves = (&data[..1600], &data[1600..]);
    let zlib = |data| compress_to_vec_zlib(data, 6);
    vec![
        compressed(&data, Options::default()),
        compressed(&data, Options { shuffle: Shuffle::Bit, ..Options::default() }),
        compressed(&data, Options { compressor: Compressor::Lz4, ..Options::default() }),
        compressed(&data, Options { level: 0, ..Options::default() }),
        frame(ZLIB | FLAG_DONT_SPLIT, 8, 3200, 1600, &[&[&zlib(halves.0)], &[&zlib(halves.1)]]),
        frame(ZSTD | FLAG_DONT_SPLIT, 8, 3200, 1600, &[&[&zstd(halves.0)], &[&zstd(halves.1)]]),
    ]
    .into_iter()
    .map(|frame| (frame, data.clone()))
    .collect()
}

fn numbers(seed: u32) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(seed), |x| {
        Some(x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223))
    })
    .map(|x| (x >> 8) as usize)
    .skip(1)
}

#[test]
fn every_sample_decodes() {
    for (frame, data) in samples() {
        assert!(decompress(&frame, data.len()) == Ok(data), "{:?}", &frame[..4]);
    }
}

#[test]
fn what_we_write_is_read() {
    for len in [0, 1, 15, 16, 127, 128, 129, 1_000, 70_001] {
        let data = &integers(9_000)[..len];
        for compressor in [Compressor::BloscLz, Compressor::Lz4] {
            for shuffle in [Shuffle::None, Shuffle::Byte, Shuffle::Bit] {
                for type_size in [1, 2, 3, 8, 16, 17, 255] {
                    let options = Options { compressor, shuffle, type_size, level: 5 };
                    let frame = compressed(data, options);
                    assert!(frame.len() <= HEADER + len, "{options:?}");
                    assert_eq!(decompress(&frame, len).as_deref(), Ok(data), "{options:?}");
                }
            }
        }
    }
}

#[test]
fn several_blocks_are_split_or_not() {
    let data = integers(300_000);
    for level in 1..=9 {
        let frame = compressed(&data, Options { level, ..Options::default() });
        assert!(frame.len() < data.len() / 10, "level {level}: {}", frame.len());
        assert!(decompress(&frame, data.len()).as_ref() == Ok(&data), "level {level}");
    }
}

#[test]
fn short_or_random_data_is_stored() {
    let frame = compressed(b"hello", Options::default());
    assert_eq!(frame, b"\x02\x01\x02\x01\x05\0\0\0\x05\0\0\0\x15\0\0\0hello");
    let frame = compressed(b"", Options::default());
    assert_eq!(frame, b"\x02\x01\x02\x01\0\0\0\0\x01\0\0\0\x10\0\0\0");
    let noise: Vec<u8> = numbers(1).map(|x| x as u8).take(10_000).collect();
    let frame = compressed(&noise, Options::default());
    assert_eq!(frame.len(), HEADER + noise.len());
    assert_eq!(decompress(&frame, MAX), Ok(noise));
}

#[test]
fn options_out_of_range_are_errors() {
    let mut out = Vec::new();
    let error = compress(b"", &Options { type_size: 0, ..Options::default() }, &mut out);
    assert_eq!(error, Err(BloscError::TypeSize));
    let error = compress(b"", &Options { level: 10, ..Options::default() }, &mut out);
    assert_eq!(error, Err(BloscError::Level { level: 10 }));
    assert!(out.is_empty());
}

#[test]
fn blocks_may_be_in_any_order() {
    let zlib = |data: &[u8]| compress_to_vec_zlib(data, 6);
    let (first, second) = (zlib(&[1; 200]), zlib(&[2; 100]));
    let frame = frame(ZLIB, 1, 300, 200, &[&[&first], &[&second]]);
    let (a, b) = (frame[16..20].to_vec(), frame[20..24].to_vec());
    let mut swapped = frame.clone();
    // The longer block is now second in the frame, but still first in the data.
    swapped.truncate(24);
    for part in [&second, &first] {
        swapped.extend((part.len() as u32).to_le_bytes());
        swapped.extend_from_slice(part);
    }
    let swapped = with_word(&swapped, 16, 24 + 4 + second.len() as u32);
    let swapped = with_word(&swapped, 20, 24);
    assert_ne!((a, b), (swapped[16..20].to_vec(), swapped[20..24].to_vec()));
    assert_eq!(decompress(&swapped, MAX), decompress(&frame, MAX));
    assert_eq!(decompress(&swapped, MAX).map(|data| data[199..201].to_vec()), Ok(vec![1, 2]));
}

#[test]
fn no_prefix_is_accepted() {
    for (frame, _) in samples() {
        for len in 0..frame.len() {
            assert!(decompress(&frame[..len], MAX).is_err());
            assert!(decompress(&sealed(frame[..len].to_vec()), MAX).is_err(), "{len} bytes");
        }
    }
}

#[test]
fn flipped_bits_never_panic() {
    for (frame, data) in samples() {
        let mut random = numbers(7);
        let mut next = || random.next().unwrap_or_default();
        for _ in 0..2_000 {
            let mut damaged = frame.clone();
            for _ in 0..1 + next() % 4 {
                let at = next() % damaged.len();
                damaged[at] ^= 1 << (next() % 8);
            }
            if let Ok(decoded) = decompress(&sealed(damaged), data.len()) {
                assert!(decoded.len() <= data.len());
            }
        }
    }
}

/// Returns a frame of 400 bytes of data in two blocks.
fn good() -> Vec<u8> {
    let part = compress_to_vec_zlib(&[1; 200], 6);
    frame(ZLIB, 1, 400, 200, &[&[&part], &[&part]])
}

fn with_byte(frame: &[u8], at: usize, byte: u8) -> Vec<u8> {
    let mut frame = frame.to_vec();
    frame[at] = byte;
    frame
}

#[track_caller]
fn refused(frame: &[u8], error: BloscError) {
    assert_eq!(decompress(frame, MAX), Err(error));
}

#[track_caller]
fn block_refused(frame: &[u8], block: usize, fault: Fault) {
    refused(frame, BloscError::Block { block, fault });
}

#[test]
fn a_frame_without_a_whole_header_is_refused() {
    refused(&[], BloscError::Truncated { length: 0 });
    refused(&good()[..15], BloscError::Truncated { length: 15 });
}

#[test]
fn unknown_versions_flags_and_compressors_are_refused() {
    refused(&with_byte(&good(), 0, 1), BloscError::Version { version: 1 });
    refused(&with_byte(&good(), 1, 2), BloscError::Compressor { code: 3, version: 2 });
    refused(&with_byte(&good(), 2, ZLIB | FLAG_RESERVED), BloscError::Flags { flags: 0x68 });
    let fifth = with_byte(&good(), 2, 5 << COMPRESSOR_SHIFT);
    refused(&fifth, BloscError::Compressor { code: 5, version: 1 });
}

#[test]
fn a_type_size_of_0_is_refused() {
    refused(&with_byte(&good(), 3, 0), BloscError::TypeSize);
}

#[test]
fn data_over_the_limit_is_refused() {
    assert_eq!(decompress(&good(), 400), Ok(vec![1; 400]));
    assert_eq!(decompress(&good(), 399), Err(BloscError::TooLong { length: 400, limit: 399 }));
    let error = BloscError::TooLong { length: u32::MAX as usize, limit: MAX };
    refused(&with_word(&good(), 4, u32::MAX), error);
}

#[test]
fn another_length_of_the_frame_is_refused() {
    let length = good().len();
    for announced in [0, 16, length as u32 - 1, length as u32 + 1, u32::MAX] {
        let error = BloscError::FrameLength { announced, length };
        refused(&with_word(&good(), 12, announced), error);
    }
}

#[test]
fn block_sizes_that_cannot_be_are_refused() {
    for block_size in [0, 401, u32::MAX] {
        let error = BloscError::BlockSize { block_size, data_len: 400 };
        refused(&with_word(&good(), 8, block_size), error);
    }
    refused(&with_word(&good(), 8, 1), BloscError::Table { blocks: 400 });
    // Blocks of 1001 bytes cannot be split into parts for 2 bytes.
    let odd = frame(0, 2, 2002, 1001, &[&[&[0; 500], &[0; 500]], &[&[0; 1001]]]);
    refused(&odd, BloscError::BlockSize { block_size: 1001, data_len: 2002 });
}

#[test]
fn stored_data_of_another_length_is_refused() {
    let stored = good().len() - HEADER;
    let frame = with_byte(&good(), 2, FLAG_STORED);
    refused(&frame, BloscError::Stored { stored, data_len: 400 });
}

#[test]
fn offsets_outside_of_the_blocks_are_refused() {
    let len = good().len() as u32;
    for offset in [0, 16, 23, len - 3, len, u32::MAX, 1 << 31] {
        block_refused(&with_word(&good(), 20, offset), 1, Fault::Offset { offset });
    }
}

#[test]
fn blocks_that_share_bytes_are_refused() {
    let part = compress_to_vec_zlib(&[1; 200], 6);
    // Three blocks in the bytes of two.
    let shared = with_word(&frame(ZLIB, 1, 600, 200, &[&[&part], &[&part], &[]]), 24, 28);
    block_refused(&shared, 2, Fault::Overlap);
}

#[test]
fn parts_of_another_length_are_refused() {
    let len = good().len() as u32;
    for length in [len - 27, u32::MAX, 1 << 31] {
        block_refused(&with_word(&good(), 24, length), 0, Fault::PartLength { length, at: 24 });
    }
    let fault = Fault::Expansion { length: 0, expected: 200 };
    block_refused(&with_word(&good(), 24, 0), 0, fault);
    block_refused(&with_word(&good(), 24, 5), 0, Fault::Corrupt { expected: 200 });
}

#[test]
fn a_short_frame_cannot_ask_for_much() {
    // Only the header, which announces all data in one block.
    for compressor in [0, 1 << COMPRESSOR_SHIFT, ZLIB, ZSTD] {
        let header = frame(compressor | FLAG_DONT_SPLIT, 8, MAX_DATA as u32, MAX_DATA as u32, &[]);
        assert_eq!(decompress(&header, usize::MAX), Err(BloscError::Table { blocks: 1 }));
        let len = MAX_DATA as u32;
        let frame = frame(compressor | FLAG_DONT_SPLIT, 8, len, len, &[&[&[0xff; 40]]]);
        let fault = Fault::Expansion { length: 40, expected: MAX_DATA };
        assert_eq!(decompress(&frame, usize::MAX), Err(BloscError::Block { block: 0, fault }));
    }
    let stored = frame(FLAG_STORED, 8, MAX_DATA as u32, MAX_DATA as u32, &[]);
    let error = BloscError::Stored { stored: 0, data_len: MAX_DATA };
    assert_eq!(decompress(&stored, usize::MAX), Err(error));
}

#[test]
fn snappy_is_refused_by_its_number() {
    let frame = frame(SNAPPY | FLAG_DONT_SPLIT, 8, 200, 200, &[&[&[0; 40]]]);
    assert_eq!(decompress(&frame, MAX), Err(BloscError::Compressor { code: 2, version: 1 }));
}

#[test]
fn a_stream_is_stopped_at_the_end_of_its_block() {
    let zeros = vec![0; MAX];
    for (flags, part) in [(ZLIB, compress_to_vec_zlib(&zeros, 6)), (ZSTD, zstd(&zeros))] {
        let good = frame(flags, 1, MAX as u32, MAX as u32, &[&[&part]]);
        assert!(decompress(&good, MAX).is_ok_and(|data| data == zeros));
        let bomb = frame(flags, 1, 1000, 1000, &[&[&part]]);
        let fault = Fault::Corrupt { expected: 1000 };
        assert_eq!(decompress(&bomb, MAX), Err(BloscError::Block { block: 0, fault }));
    }
}

/// c-blosc issue 405: the length of a match overflows, and c-blosc writes outside its buffer.
#[test]
fn c_blosc_405_match_length_overflow() {
    let mut part = vec![0, b'x', 0xe0];
    part.resize(3 + 8_421_505 + 100, 255);
    part.extend([0, 0, 0, b'y']);
    let frame = frame(FLAG_DONT_SPLIT, 1, 1 << 16, 1 << 16, &[&[&part]]);
    let fault = Fault::Corrupt { expected: 1 << 16 };
    assert_eq!(decompress(&frame, MAX), Err(BloscError::Block { block: 0, fault }));
}
