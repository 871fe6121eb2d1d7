//! Zstandard frames of the C library, each as the only part of a Blosc frame: whole, cut and
//! damaged.

use aiomas_blosc_tests::data;
use aiomas_core::wire::codec::blosc::decompress;
use zstd::bulk;

/// Returns a Blosc frame with `stream` as the compressed form of `len` bytes.
fn frame(stream: &[u8], len: usize) -> Vec<u8> {
    const ZSTD_NOT_SPLIT: u8 = 4 << 5 | 0x10;
    let mut frame = vec![2, 1, ZSTD_NOT_SPLIT, 1];
    for word in [len, len, 16 + 4 + 4 + stream.len(), 20, stream.len()] {
        frame.extend((word as u32).to_le_bytes());
    }
    frame.extend(stream);
    frame
}

/// Returns streams of all kinds of data, lengths and levels, with their data.
fn streams() -> Vec<(String, Vec<u8>, Vec<u8>)> {
    let mut streams = Vec::new();
    for (name, make) in data::KINDS {
        for len in [300, 3_000, 40_000, 300_000] {
            for level in [1, 5, 12, 18] {
                let data: Vec<u8> = make(len);
                let stream = bulk::compress(&data, level).unwrap();
                streams.push((format!("{len} bytes of {name}, level {level}"), stream, data));
            }
        }
    }
    streams
}

#[test]
fn everything_that_c_writes_is_read() {
    for (name, stream, data) in streams() {
        if stream.len() == data.len() {
            continue; // Blosc treats it as stored data
        }
        assert!(decompress(&frame(&stream, data.len()), data.len()).unwrap() == data, "{name}");
        for other in [data.len() - 1, data.len() + 1] {
            assert!(decompress(&frame(&stream, other), other).is_err(), "{name}: {other}");
        }
    }
}

#[test]
fn no_prefix_is_accepted() {
    for (name, stream, data) in streams().into_iter().filter(|(_, stream, _)| stream.len() < 1_000)
    {
        let is_read = |stream: &[u8]| {
            stream.len() != data.len() && decompress(&frame(stream, data.len()), data.len()).is_ok()
        };
        for len in 0..stream.len() {
            assert!(!is_read(&stream[..len]), "{name}: {len} of {}", stream.len());
        }
        assert!(!is_read(&[&stream[..], b"\0"].concat()), "{name}: one more");
    }
}

#[test]
fn data_with_a_flipped_bit_has_the_announced_length() {
    let (mut read, mut refused) = (0, 0);
    let short =
        |(_, stream, data): &(String, Vec<u8>, Vec<u8>)| stream.len() * data.len() < 300_000;
    for (_, stream, data) in streams().into_iter().filter(short) {
        for bit in 0..stream.len() * 8 {
            let mut damaged = stream.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            match decompress(&frame(&damaged, data.len()), data.len()) {
                Ok(bytes) => {
                    assert_eq!(bytes.len(), data.len());
                    read += 1;
                }
                Err(_) => refused += 1,
            }
        }
    }
    assert!(read > 100 && refused > 100, "{read} read, {refused} refused");
}

#[test]
fn checksums_are_checked() {
    for len in [1, 3, 4, 9, 31, 32, 33, 100, 1_000, 100_003] {
        let data = data::text(len);
        let mut compressor = bulk::Compressor::new(3).unwrap();
        compressor.include_checksum(true).unwrap();
        let stream = compressor.compress(&data).unwrap();
        assert!(decompress(&frame(&stream, len), len).unwrap() == data, "{len}");
        let mut damaged = stream.clone();
        *damaged.last_mut().unwrap() ^= 1;
        assert!(decompress(&frame(&damaged, len), len).is_err(), "{len}");
    }
}

#[test]
fn the_length_of_the_data_need_not_be_in_the_frame() {
    let data = data::text(70_000);
    let mut compressor = bulk::Compressor::new(3).unwrap();
    compressor.include_contentsize(false).unwrap();
    let stream = compressor.compress(&data).unwrap();
    assert!(decompress(&frame(&stream, data.len()), data.len()).unwrap() == data);
    assert!(decompress(&frame(&stream, data.len() - 1), data.len()).is_err());
    assert!(decompress(&frame(&stream, data.len() + 1), 1 << 20).is_err());
}
