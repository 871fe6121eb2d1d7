//! Reads the files that Python wrote (`data/make.py`).

use std::fs;
use std::path::Path;

use aiomas_core::wire::codec::blosc::{BloscError, decompress};

/// Returns the data of the files of a kind.
fn data(kind: &str) -> Vec<u8> {
    match kind {
        "numbers" => (0..300).flat_map(|i| (f64::from(i % 97) * 0.25).to_le_bytes()).collect(),
        "text" => br#"{"path": "agent/%d", "args": [1, 2.5, null]}"#.repeat(40),
        "bytes" => (0_u32..3001).map(|i| ((i * i) >> 3) as u8).collect(),
        _ => panic!("{kind}"),
    }
}

#[test]
fn every_file_of_python_is_read_but_for_snappy() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let mut counts = [0; 6];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        if path.extension().is_none_or(|extension| extension != "blosc") {
            continue;
        }
        let (compressor, rest) = stem.split_once('-').unwrap();
        let data = data(rest.split('-').next().unwrap());
        let frame = fs::read(&path).unwrap();
        let ours = decompress(&frame, data.len());
        // Compressed by Snappy, not only stored.
        if compressor == "snappy" && frame[2] & 0x02 == 0 {
            assert_eq!(ours, Err(BloscError::Compressor { code: 2, version: 1 }), "{stem}");
        } else {
            assert!(ours.unwrap() == data, "{stem}");
        }
        let known = ["blosclz", "lz4", "lz4hc", "snappy", "zlib", "zstd"];
        counts[known.iter().position(|name| *name == compressor).unwrap()] += 1;
    }
    assert_eq!(counts, [12; 6]);
}
