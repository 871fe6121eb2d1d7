//! Zstandard: every kind of block, whole and damaged.

use std::collections::BTreeSet;

use aiomas_blosc_tests::data;
use aiomas_blosc_tests::zstd::{compare, compress, frame, kinds};
use aiomas_core::wire::codec::blosc::decompress;

/// Streams of C's that consist of everything there is, with their data.
fn streams() -> Vec<(String, Vec<u8>, Vec<u8>)> {
    let mut streams = Vec::new();
    let mut add = |name: String, data: &[u8], level| {
        streams.push((format!("{name}, level {level}"), compress(data, level), data.to_vec()));
    };
    for (name, make) in data::KINDS {
        for len in [300, 3_000, 40_000, 300_000] {
            for level in [1, 5, 12, 18] {
                add(format!("{len} bytes of {name}"), &shuffled(&make(len)), level);
            }
        }
    }
    let four: Vec<u8> = data::noise(5_000).iter().map(|byte| byte & 3).collect();
    add("four values".to_owned(), &four, 5);
    add("many matches".to_owned(), &many_matches(), 19);
    add("few literals".to_owned(), &few_literals(), 19);
    streams
}

/// Puts the first bytes of all elements of 8 bytes first, and so on.
fn shuffled(data: &[u8]) -> Vec<u8> {
    (0..8).flat_map(|byte| data.iter().skip(byte).step_by(8).copied()).collect()
}

/// Words of four bytes at random.
fn many_matches() -> Vec<u8> {
    let words: Vec<u8> = data::noise(4 * 4_000);
    let choices = data::numbers(5).map(|number| number as usize % 4_000 * 4);
    choices.take(65_536).flat_map(|at| words[at..at + 4].to_vec()).collect()
}

/// A block of noise, and then parts of it with a byte in between that is always the same.
fn few_literals() -> Vec<u8> {
    let mut data = data::noise(128 << 10);
    for at in data::numbers(6).map(|number| number as usize % 100_000).take(2_000) {
        data.extend_from_within(at..at + 20);
        data.push(0);
    }
    data
}

#[test]
fn everything_that_c_writes_is_read() {
    let mut seen = BTreeSet::new();
    for (name, stream, data) in streams() {
        seen.extend(kinds(&stream));
        assert!(decompress(&frame(&stream, data.len()), data.len()).unwrap() == data, "{name}");
        for other in [data.len() - 1, data.len() + 1] {
            assert!(decompress(&frame(&stream, other), other).is_err(), "{name}: {other}");
        }
    }
    for kind in [
        "stored block",
        "repeated block",
        "compressed block",
        "stored literals",
        "repeated literals",
        "literals, one stream",
        "literals, four streams",
        "literals, one stream, earlier table",
        "literals, four streams, earlier table",
        "coded weights",
        "plain weights",
        "no sequences",
        "many sequences",
        "usual literal lengths",
        "usual offsets",
        "usual match lengths",
        "one literal length",
        "one offset",
        "one match length",
        "coded literal lengths",
        "coded offsets",
        "coded match lengths",
        "earlier literal lengths",
        "earlier offsets",
        "earlier match lengths",
    ] {
        assert!(seen.contains(kind), "{kind} is in no stream: {seen:#?}");
    }
}

/// Short streams of all kinds.
fn short() -> impl Iterator<Item = (String, Vec<u8>, Vec<u8>)> {
    streams().into_iter().filter(|(_, stream, _)| stream.len() < 1_000)
}

#[test]
fn no_prefix_is_accepted() {
    for (name, stream, data) in short() {
        for len in 0..stream.len() {
            assert!(!compare(&stream[..len], data.len()), "{name}: {len} of {}", stream.len());
        }
        assert!(!compare(&[&stream[..], b"\0"].concat(), data.len()), "{name}: one more");
    }
}

#[test]
fn what_c_refuses_is_refused_whichever_bit_is_flipped() {
    let mut accepted = 0;
    for (_, stream, data) in
        short().filter(|(_, stream, data)| stream.len() * data.len() < 5_000_000)
    {
        for bit in 0..stream.len() * 8 {
            let mut damaged = stream.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            accepted += usize::from(compare(&damaged, data.len()));
        }
    }
    assert!(accepted > 1_000, "{accepted}");
}

#[test]
fn checksums_are_checked() {
    for len in [1, 3, 4, 9, 31, 32, 33, 100, 1_000, 100_003] {
        let data = data::text(len);
        let mut compressor = zstd::bulk::Compressor::new(3).unwrap();
        compressor.include_checksum(true).unwrap();
        let stream = compressor.compress(&data).unwrap();
        assert!(decompress(&frame(&stream, len), len).unwrap() == data, "{len}");
        let mut damaged = stream.clone();
        *damaged.last_mut().unwrap() ^= 1;
        assert!(decompress(&frame(&damaged, len), len).is_err(), "{len}");
    }
}

#[test]
fn the_length_of_the_data_need_not_be_said() {
    let data = data::text(70_000);
    let mut compressor = zstd::bulk::Compressor::new(3).unwrap();
    compressor.include_contentsize(false).unwrap();
    let stream = compressor.compress(&data).unwrap();
    assert!(decompress(&frame(&stream, data.len()), data.len()).unwrap() == data);
    assert!(decompress(&frame(&stream, data.len() - 1), data.len()).is_err());
    assert!(decompress(&frame(&stream, data.len() + 1), 1 << 20).is_err());
}
