//! Streams in formats other than BloscLZ, read and written by other crates.

use std::io::Read as _;

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// The window size in bytes below which a smaller window saves no relevant memory.
const MIN_WINDOW: usize = 1024;

/// Decompresses an LZ4 block to exactly `out`. Returns `false` if malformed or of another length.
pub(super) fn read_lz4(part: &[u8], out: &mut [u8]) -> bool {
    lz4_flex::block::decompress_into(part, out).is_ok_and(|len| len == out.len())
}

/// Compresses `part` as an LZ4 block. Returns `None` if it does not fit into `out`.
pub(super) fn write_lz4(part: &[u8], out: &mut [u8]) -> Option<usize> {
    // The crate requires a buffer for the worst case, so it cannot write into `out`.
    let stream = lz4_flex::block::compress(part);
    out.get_mut(..stream.len())?.copy_from_slice(&stream);
    Some(stream.len())
}

/// Decompresses a zlib stream to exactly `out`. Returns `false` if malformed or of another length.
pub(super) fn read_zlib(part: &[u8], out: &mut [u8]) -> bool {
    let inflate = miniz_oxide::inflate::decompress_slice_iter_to_slice;
    inflate(out, [part].into_iter(), true, false).is_ok_and(|len| len == out.len())
}

/// Decompresses a Zstandard frame to exactly `out`. Returns `false` if malformed or of another length.
///
/// The decoder holds the window and one block of 128 KiB. The frame announces its window, so a window larger than the
/// data could need is rejected before memory is allocated for it.
pub(super) fn read_zstd(decoder: &mut FrameDecoder, part: &[u8], out: &mut [u8]) -> bool {
    decode_zstd(decoder, part, out) == Some(out.len())
}

/// Returns the number of bytes written to `out`; `None` if malformed or too long.
fn decode_zstd(decoder: &mut FrameDecoder, mut rest: &[u8], out: &mut [u8]) -> Option<usize> {
    let window = out.len().next_power_of_two().max(MIN_WINDOW);
    decoder.set_max_window_size(window as u64);
    decoder.reset(&mut rest).ok()?;
    let announced = decoder.content_size();
    if announced != 0 && announced != out.len() as u64 {
        return None;
    }
    let mut at = 0;
    while !decoder.is_finished() {
        // Block by block: a frame with many blocks in few bytes must not fill more memory than the window.
        decoder.decode_blocks(&mut rest, BlockDecodingStrategy::UptoBlocks(1)).ok()?;
        at += decoder.read(&mut out[at..]).ok()?;
        if at == out.len() && decoder.can_collect() > 0 {
            return None;
        }
    }
    let is_intact = decoder
        .get_checksum_from_data()
        .is_none_or(|sum| decoder.get_calculated_checksum() == Some(sum));
    (is_intact && rest.is_empty()).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_lz4_block_that_is_malformed_is_refused() {
        let mut out = [0; 12];
        assert!(read_lz4(b"\x34abc\x03\0\x10d", &mut out));
        assert_eq!(&out, b"abcabcabcabd");
        for part in [
            &b""[..],                // nothing
            b"\x30ab",               // half of the literals
            b"\xf0\xff\xff",         // half of a length
            b"\x34abc\x03",          // half a distance
            b"\x34abc\0\0\x10d",     // a distance of 0
            b"\x34abc\x04\0\x10d",   // a match before the start
            b"\x3fabc\x03\0\0\x10d", // too long, in a match
            b"\x34abc\x03\0\x20de",  // too long, in literals
            b"\x33abc\x03\0\x10d",   // too short
        ] {
            assert!(!read_lz4(part, &mut out), "{part:?}");
        }
    }

    /// Returns a Zstandard frame of 300 zeros: one repeated block.
    fn zstd_zeros(window: u8) -> Vec<u8> {
        let mut frame = vec![0x28, 0xb5, 0x2f, 0xfd, 0, window];
        frame.extend_from_slice(&(300_u32 << 3 | 1 << 1 | 1).to_le_bytes()[..3]);
        frame.push(0);
        frame
    }

    #[test]
    fn a_zstandard_frame_takes_no_larger_window_than_its_data_needs() {
        let mut out = [1; 300];
        let mut decoder = FrameDecoder::new();
        assert!(read_zstd(&mut decoder, &zstd_zeros(0), &mut out));
        assert_eq!(out, [0; 300]);
        // A window of 1 GiB, in a frame of ten bytes.
        assert!(!read_zstd(&mut decoder, &zstd_zeros(20 << 3), &mut out));
        for len in [299, 301] {
            assert!(!read_zstd(&mut decoder, &zstd_zeros(0), &mut vec![0; len]), "{len}");
        }
        let mut longer = zstd_zeros(0);
        longer.push(0);
        assert!(!read_zstd(&mut decoder, &longer, &mut out), "a byte after the frame");
        let whole = zstd_zeros(0);
        for len in 0..whole.len() {
            assert!(!read_zstd(&mut decoder, &whole[..len], &mut out), "{len}");
        }
    }
}
