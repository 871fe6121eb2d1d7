//! Zstandard streams on their own, each as the only part of a Blosc frame.

use std::collections::BTreeSet;

use aiomas_core::wire::codec::blosc::decompress;
use zstd::bulk;

/// Compresses `data` as c-blosc does, with the levels of Zstandard: 1 to 22.
///
/// # Panics
/// If C has no memory.
#[must_use]
pub fn compress(data: &[u8], level: i32) -> Vec<u8> {
    bulk::compress(data, level).expect("memory")
}

/// A Blosc frame with `stream` as that of `len` bytes of data.
#[must_use]
pub fn frame(stream: &[u8], len: usize) -> Vec<u8> {
    const ZSTD_NOT_SPLIT: u8 = 4 << 5 | 0x10;
    let mut frame = vec![2, 1, ZSTD_NOT_SPLIT, 1];
    for word in [len, len, 16 + 4 + 4 + stream.len(), 20, stream.len()] {
        frame.extend((word as u32).to_le_bytes());
    }
    frame.extend(stream);
    frame
}

/// Lets C and us decompress `stream` to `len` bytes. Returns whether both did.
///
/// # Panics
/// If we read what C refuses, or read it in another way.
pub fn compare(stream: &[u8], len: usize) -> bool {
    if stream.len() == len || len == 0 {
        return false; // Blosc would not decompress it
    }
    let Ok(ours) = decompress(&frame(stream, len), len) else { return false };
    // Unlike ours, C takes more room than there are data.
    let theirs = bulk::decompress(stream, len).expect("C reads what we do");
    assert!(ours == theirs, "C and we read different data");
    true
}

/// Does [`compare`] with the input of a fuzzer: the length of the data in two bytes, and the stream.
///
/// # Panics
/// As [`compare`] does.
pub fn compare_input(input: &[u8]) {
    if let Some((len, stream)) = input.split_first_chunk() {
        compare(stream, u16::from_le_bytes(*len).into());
    }
}

/// What a stream of C's consists of: the kinds of its blocks, literals and tables.
///
/// # Panics
/// If it is none of C's.
#[must_use]
pub fn kinds(stream: &[u8]) -> BTreeSet<&'static str> {
    let number =
        |bytes: &[u8]| bytes.iter().rev().fold(0, |sum, &byte| sum << 8 | usize::from(byte));
    let descriptor = stream[4];
    let is_single = descriptor >> 5 & 1;
    let size = [is_single, 2, 4, 8][usize::from(descriptor >> 6)];
    let mut at = 5 + usize::from(1 - is_single) + usize::from(size);
    let mut kinds = BTreeSet::new();
    loop {
        let header = number(&stream[at..at + 3]);
        let (kind, len) = (header >> 1 & 3, header >> 3);
        let len = if kind == 1 { 1 } else { len };
        let block = &stream[at + 3..at + 3 + len];
        at += 3 + len;
        kinds.insert(["stored block", "repeated block", "compressed block"][kind]);
        if kind == 2 {
            let (kind, format) = (block[0] & 3, block[0] >> 2 & 3);
            let (header, bits) = match (kind, format) {
                (0 | 1, 0 | 2) => (1, 5),
                (0 | 1, 1) => (2, 12),
                (0 | 1, _) => (3, 20),
                (_, 0 | 1) => (3, 10),
                (_, 2) => (4, 14),
                _ => (5, 18),
            };
            let sizes = number(&block[..header]) >> if bits == 5 { 3 } else { 4 };
            let len = match kind {
                0 => sizes & ((1 << bits) - 1),
                1 => 1,
                _ => sizes >> bits,
            };
            kinds.insert(match (kind, format) {
                (0, _) => "stored literals",
                (1, _) => "repeated literals",
                (2, 0) => "literals, one stream",
                (2, _) => "literals, four streams",
                (_, 0) => "literals, one stream, earlier table",
                _ => "literals, four streams, earlier table",
            });
            if kind == 2 {
                let coded = block[header] < 128;
                kinds.insert(if coded { "coded weights" } else { "plain weights" });
            }
            let sequences = &block[header + len..];
            let modes = match sequences[0] {
                0 => {
                    kinds.insert("no sequences");
                    None
                }
                1..128 => Some(sequences[1]),
                128..255 => Some(sequences[2]),
                255 => {
                    kinds.insert("many sequences");
                    Some(sequences[3])
                }
            };
            if let Some(modes) = modes {
                let usual = ["usual literal lengths", "usual offsets", "usual match lengths"];
                let single = ["one literal length", "one offset", "one match length"];
                let coded = ["coded literal lengths", "coded offsets", "coded match lengths"];
                let earlier =
                    ["earlier literal lengths", "earlier offsets", "earlier match lengths"];
                for (table, shift) in [6, 4, 2].into_iter().enumerate() {
                    let names = [usual, single, coded, earlier][usize::from(modes >> shift & 3)];
                    kinds.insert(names[table]);
                }
            }
        }
        if header & 1 == 1 {
            return kinds;
        }
    }
}
