//! Zstandard streams in Blosc frames.

use aiomas_core::wire::codec::blosc::decompress;

/// Decompresses a stream of Zstandard to as many bytes as the first two say.
///
/// # Panics
/// If there are more or less than that.
pub fn zstd(data: &[u8]) {
    const ZSTD_NOT_SPLIT: u8 = 4 << 5 | 0x10;
    let Some((&len, stream)) = data.split_first_chunk() else { return };
    let len = u32::from(u16::from_le_bytes(len));
    let mut frame = vec![2, 1, ZSTD_NOT_SPLIT, 1];
    for word in [len, len, 24 + stream.len() as u32, 20, stream.len() as u32] {
        frame.extend(word.to_le_bytes());
    }
    frame.extend(stream);
    if let Ok(data) = decompress(&frame, len as usize) {
        assert_eq!(data.len(), len as usize);
    }
}
