//! Byte and bit shuffles of a block of elements.
//!
//! The bytes after the last whole element are copied unchanged.

use std::array;
use std::mem::swap;

/// The number of elements reordered at a time: few enough for the L1 cache.
const TILE: usize = 64;
/// The number of extra bytes that may be appended temporarily.
pub(super) const SLACK: usize = 16 * TILE;
/// The number of elements that the bit shuffles take at a time.
const GROUP: usize = 8;

/// Byte-shuffles `src` into `dst`: all first bytes, then all second bytes, and so on.
///
/// `src` and `dst` have the same length.
pub(super) fn shuffle(type_size: usize, src: &[u8], dst: &mut [u8]) {
    let elements = src.len() / type_size;
    let (src, src_rest) = src.split_at(elements * type_size);
    let (dst, dst_rest) = dst.split_at_mut(elements * type_size);
    dst_rest.copy_from_slice(src_rest);
    if elements == 0 {
        return;
    }
    match type_size {
        1 => dst.copy_from_slice(src),
        2 => shuffle_all::<2>(src, dst),
        4 => shuffle_all::<4>(src, dst),
        8 => shuffle_all::<8>(src, dst),
        16 => shuffle_all::<16>(src, dst),
        _ => {
            for (byte, plane) in dst.chunks_exact_mut(elements).enumerate() {
                for (dst, src) in plane.iter_mut().zip(src.iter().skip(byte).step_by(type_size)) {
                    *dst = *src;
                }
            }
        }
    }
}

/// Undoes [`shuffle`]; appends to `out`.
pub(super) fn unshuffle(type_size: usize, src: &[u8], out: &mut Vec<u8>) {
    let elements = src.len() / type_size;
    let (src, src_rest) = src.split_at(elements * type_size);
    match type_size {
        1 => out.extend_from_slice(src),
        2 => unshuffle_all::<2>(src, out),
        4 => unshuffle_all::<4>(src, out),
        8 => unshuffle_all::<8>(src, out),
        16 => unshuffle_all::<16>(src, out),
        _ => {
            let start = out.len();
            out.resize(start + src.len(), 0);
            for (byte, plane) in src.chunks(elements.max(1)).enumerate() {
                let bytes = out.iter_mut().skip(start + byte).step_by(type_size);
                for (dst, src) in bytes.zip(plane) {
                    *dst = *src;
                }
            }
        }
    }
    out.extend_from_slice(src_rest);
}

/// Shuffles elements of `N` bytes like [`shuffle`]. The last, partial tile is padded.
fn shuffle_all<const N: usize>(src: &[u8], dst: &mut [u8]) {
    let elements = src.len() / N;
    let done = shuffle_tiles::<N>(src, dst);
    let rest = &src[done * N..];
    if !rest.is_empty() {
        let (mut padded, mut tile) = ([[0; TILE]; N], [[0; TILE]; N]);
        padded.as_flattened_mut()[..rest.len()].copy_from_slice(rest);
        shuffle_tiles::<N>(padded.as_flattened(), tile.as_flattened_mut());
        for (plane, bytes) in dst.chunks_exact_mut(elements).zip(tile) {
            plane[done..].copy_from_slice(&bytes[..elements - done]);
        }
    }
}

/// Undoes [`shuffle_all`]; appends to `out`.
fn unshuffle_all<const N: usize>(src: &[u8], out: &mut Vec<u8>) {
    let elements = src.len() / N;
    let end = out.len() + src.len();
    let done = unshuffle_tiles::<N>(src, out);
    let left = elements - done;
    if left > 0 {
        let mut padded = [[0; TILE]; N];
        for (padded, plane) in padded.iter_mut().zip(src.chunks_exact(elements)) {
            padded[..left].copy_from_slice(&plane[done..]);
        }
        unshuffle_tiles::<N>(padded.as_flattened(), out);
        out.truncate(end);
    }
}

/// Shuffles all whole tiles like [`shuffle`], and returns the number of elements done.
///
/// `N` is a power of two. Compilers have vector code for separating the bytes at even and odd places. Done once for
/// each binary digit of a byte's place in its element, that leaves the bytes ordered by place.
fn shuffle_tiles<const N: usize>(src: &[u8], dst: &mut [u8]) -> usize {
    let elements = src.len() / N;
    let mut tiles = [[[0; TILE]; N]; 2];
    for (index, src) in src.chunks_exact(N * TILE).enumerate() {
        // Borrowed again in each round: the compiler must know which tile is which.
        let [mut from, mut to] = tiles.each_mut();
        let (even, odd) = from.split_at_mut(N / 2);
        deinterleave(src, even.as_flattened_mut(), odd.as_flattened_mut());
        for _ in 1..N.ilog2() {
            let (even, odd) = to.split_at_mut(N / 2);
            deinterleave(from.as_flattened(), even.as_flattened_mut(), odd.as_flattened_mut());
            swap(&mut from, &mut to);
        }
        for (plane, bytes) in dst.chunks_exact_mut(elements).zip(&*from) {
            plane[index * TILE..][..TILE].copy_from_slice(bytes);
        }
    }
    elements - elements % TILE
}

/// Undoes [`shuffle_tiles`]; appends to `out`.
fn unshuffle_tiles<const N: usize>(src: &[u8], out: &mut Vec<u8>) -> usize {
    let elements = src.len() / N;
    let mut tiles = [[[0; TILE]; N]; 2];
    let planes: [&[[u8; TILE]]; N] =
        array::from_fn(|byte| src[byte * elements..][..elements].as_chunks().0);
    let count = elements / TILE;
    for index in 0..count {
        let [mut from, mut to] = tiles.each_mut(); // borrowed again, as above
        let (even, odd) = planes.split_at(N / 2);
        for ((even, odd), pairs) in even.iter().zip(odd).zip(from.chunks_exact_mut(2)) {
            interleave(&even[index], &odd[index], pairs.as_flattened_mut());
        }
        for _ in 1..N.ilog2() {
            let (even, odd) = from.split_at(N / 2);
            interleave(even.as_flattened(), odd.as_flattened(), to.as_flattened_mut());
            swap(&mut from, &mut to);
        }
        out.extend_from_slice(from.as_flattened());
    }
    count * TILE
}

/// Separates the bytes at even places of `src` from those at odd places.
#[inline(always)]
fn deinterleave(src: &[u8], even: &mut [u8], odd: &mut [u8]) {
    let (pairs, _) = src.as_chunks();
    // Two loops, in 16-bit arithmetic: a plain loop is not vectorized.
    for (even, pair) in even.iter_mut().zip(pairs) {
        *even = u16::from_le_bytes(*pair) as u8;
    }
    for (odd, pair) in odd.iter_mut().zip(pairs) {
        *odd = (u16::from_le_bytes(*pair) >> 8) as u8;
    }
}

/// Undoes [`deinterleave`].
#[inline(always)]
fn interleave(even: &[u8], odd: &[u8], dst: &mut [u8]) {
    let (pairs, _) = dst.as_chunks_mut();
    for ((pair, even), odd) in pairs.iter_mut().zip(even).zip(odd) {
        *pair = (u16::from(*even) | u16::from(*odd) << 8).to_le_bytes();
    }
}

/// Bit-shuffles `src` into `dst`: all lowest bits, then all next bits, and so on.
///
/// Copies `src` unchanged if the number of elements is not a multiple of 8. `src` and `dst` have the same length.
pub(super) fn bit_shuffle(type_size: usize, src: &[u8], dst: &mut [u8]) {
    let Some((planes_len, plane_len)) = planes(type_size, src.len()) else {
        return dst.copy_from_slice(src);
    };
    let mut bytes = vec![0; src.len()];
    shuffle(type_size, src, &mut bytes);
    let (planes, rest) = bytes.split_at_mut(planes_len);
    let (dst, dst_rest) = dst.split_at_mut(planes_len);
    dst_rest.copy_from_slice(rest);
    transpose_bits(planes);
    for (plane, dst) in planes.chunks_exact(plane_len).zip(dst.chunks_exact_mut(plane_len)) {
        shuffle(GROUP, plane, dst);
    }
}

/// Undoes [`bit_shuffle`]; appends to `out`.
pub(super) fn bit_unshuffle(type_size: usize, src: &[u8], out: &mut Vec<u8>) {
    let Some((planes_len, plane_len)) = planes(type_size, src.len()) else {
        return out.extend_from_slice(src);
    };
    let mut bytes = Vec::with_capacity(src.len() + SLACK);
    let (planes, rest) = src.split_at(planes_len);
    for plane in planes.chunks_exact(plane_len) {
        unshuffle(GROUP, plane, &mut bytes);
    }
    transpose_bits(&mut bytes);
    bytes.extend_from_slice(rest);
    unshuffle(type_size, &bytes, out);
}

/// Returns the lengths in bytes of all planes together and of one plane.
///
/// There is one plane for each byte of an element.
const fn planes(type_size: usize, len: usize) -> Option<(usize, usize)> {
    let elements = len / type_size;
    if elements == 0 || !elements.is_multiple_of(GROUP) {
        return None;
    }
    Some((elements * type_size, elements))
}

/// Transposes every 8 bytes as an 8 × 8 matrix of bits.
fn transpose_bits(bytes: &mut [u8]) {
    for group in bytes.as_chunks_mut::<8>().0 {
        let mut x = u64::from_le_bytes(*group);
        // Exchange single bits, then squares of 2 by 2, then of 4 by 4 bits.
        for (shift, mask) in
            [(7, 0x00aa_00aa_00aa_00aa), (14, 0x0000_cccc_0000_cccc), (28, 0x0000_0000_f0f0_f0f0)]
        {
            let moved = (x ^ (x >> shift)) & mask;
            x ^= moved ^ (moved << shift);
        }
        *group = x.to_le_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_where_they_should_be() {
        for type_size in 1..=20 {
            for len in [0, 1, 19, 130, 1_000, 5_003] {
                let src: Vec<u8> = (0..len).map(|i| (i * 7 + i / 256) as u8).collect();
                let (mut shuffled, mut back) = (vec![0; len], vec![]);
                shuffle(type_size, &src, &mut shuffled);
                let elements = len / type_size;
                for (at, byte) in src.iter().take(elements * type_size).enumerate() {
                    assert_eq!(shuffled[at % type_size * elements + at / type_size], *byte);
                }
                unshuffle(type_size, &shuffled, &mut back);
                assert_eq!(back, src);
            }
        }
    }

    #[test]
    fn bits_are_where_they_should_be() {
        let bit = |bytes: &[u8], at: usize| bytes[at / 8] >> (at % 8) & 1;
        for type_size in [1, 2, 3, 8] {
            for elements in [8, 64, 600] {
                let len = type_size * elements + type_size - 1;
                let src: Vec<u8> = (0..len).map(|i| (i * 7 + i / 256) as u8).collect();
                let (mut shuffled, mut back) = (vec![0; len], vec![]);
                bit_shuffle(type_size, &src, &mut shuffled);
                let bits = type_size * 8;
                for at in 0..bits * elements {
                    assert_eq!(bit(&shuffled, at % bits * elements + at / bits), bit(&src, at));
                }
                bit_unshuffle(type_size, &shuffled, &mut back);
                assert_eq!(back, src);
            }
        }
    }

    #[test]
    fn bits_stay_without_whole_groups() {
        let (src, mut dst) = ([1, 2, 3, 4, 5, 6, 7], [0; 7]);
        bit_shuffle(1, &src, &mut dst);
        assert_eq!(dst, src);
    }
}
