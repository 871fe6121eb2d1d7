use super::*;

const MAGIC: &[u8] = b"\x28\xb5\x2f\xfd";
/// [`sentences`], as C compresses them at its level 19.
const COMPRESSED: &[u8] = b"\x28\xb5\x2f\xfd\x60\x50\x13\x5d\x02\x00\xd2\x42\x08\x0c\xd0\x3d\xed\xad\
    \x54\x80\x2e\xa6\xcd\x3c\x70\x1c\xb7\x2f\x71\xfb\x12\xb7\x2f\x71\xfb\x12\xff\xd8\x17\xa1\x80\x53\
    \x08\xd8\x34\xac\x22\xa8\x20\xbe\xfe\x06\xe0\xa5\x61\x0c\x11\x60\x04\x06\x23\x0c\x9d\x9d\x5c\xf7\
    \xff\xcf\x86\xa2\x5c\x65\xea\xcc\x98\x1b\x62\xb6\x74\xfa\x05\x0c\xc2\x4e\x01";

fn sentences() -> Vec<u8> {
    let sentence = |i: u32| format!("agent {} of {};", i * i % 7, i % 5).into_bytes();
    (0..400).flat_map(sentence).collect()
}

/// Whether a frame of these pieces is read as `data`.
fn reads(pieces: &[&[u8]], data: &[u8]) -> bool {
    let mut out = vec![0; data.len()];
    let mut decoder = Decoder::new();
    decoder.decompress(&pieces.concat(), &mut out) && out == data
}

#[test]
fn what_c_writes_is_read() {
    assert!(reads(&[COMPRESSED], &sentences()));
}

#[test]
fn a_decoder_can_be_used_again() {
    let mut decoder = Decoder::new();
    let mut out = sentences();
    for _ in 0..3 {
        out.fill(0);
        assert!(decoder.decompress(COMPRESSED, &mut out));
        assert_eq!(out, sentences());
        assert!(!decoder.decompress(&COMPRESSED[..50], &mut out));
        // Tables of the frame before do not count: literals with an earlier table, then sequences.
        assert!(
            !decoder.decompress(b"\x28\xb5\x2f\xfd\x20\x06\x2d\0\0\x63\x40\0\x01\0", &mut out[..6])
        );
        let earlier = b"\x28\xb5\x2f\xfd\x20\x06\x2d\0\0\x10ab\x01\xfc";
        assert!(!decoder.decompress(earlier, &mut out[..6]));
    }
}

#[test]
fn no_prefix_is_accepted() {
    let mut out = sentences();
    let mut decoder = Decoder::new();
    for len in 0..COMPRESSED.len() {
        assert!(!decoder.decompress(&COMPRESSED[..len], &mut out), "{len} bytes");
    }
}

#[test]
fn flipped_bits_never_panic() {
    let mut out = sentences();
    let mut decoder = Decoder::new();
    for first in 0..COMPRESSED.len() * 8 {
        for second in [first, 40, 100, 200, 300, 400, 500] {
            let mut damaged = COMPRESSED.to_vec();
            damaged[first / 8] ^= 1 << (first % 8);
            damaged[second / 8] ^= 1 << (second % 8);
            decoder.decompress(&damaged, &mut out);
        }
    }
}

#[test]
fn all_headers_of_frames_are_read() {
    let blocks = b"\x19\0\0abc";
    let data = b"abc";
    for header in [
        &b"\x20\x03"[..],          // the length in one byte
        b"\0\0",                   // no length, but a window
        b"\x80\0\x03\0\0\0",       // both
        b"\xa0\x03\0\0\0",         // the length in four bytes
        b"\xe0\x03\0\0\0\0\0\0\0", // in eight
        b"\x21\0\x03",             // a dictionary that is none, in one byte
        b"\x22\0\0\x03",           // in two
        b"\x23\0\0\0\0\x03",       // in four
    ] {
        assert!(reads(&[MAGIC, header, blocks], data), "{header:x?}");
        assert!(!reads(&[header, blocks], data));
    }
    let long = [b'x'; 259];
    assert!(reads(&[MAGIC, b"\x60\x03\0", b"\x1b\x08\0x"], &long));
    for header in [
        &b"\x28\x03"[..], // a reserved bit
        b"\x21\x01\x03",  // a dictionary
        b"\x20\x02",      // shorter
        b"\x20\x04",      // longer
        b"\0\xff",        // a window as nobody has
    ] {
        assert!(!reads(&[MAGIC, header, blocks], data), "{header:x?}");
    }
}

#[test]
fn all_kinds_of_blocks_are_read() {
    for blocks in [
        &b"\x19\0\0abc"[..],          // one that is stored
        b"\x08\0\0a\x11\0\0bc",       // two
        b"\x08\0\0a\0\0\0\x11\0\0bc", // one that is empty in between
        b"\x0b\0\0a",                 // something too short
        b"\x2d\0\0\x18abc\0",         // literals, and nothing else
    ] {
        let data: &[u8] = if blocks[0] == 0x0b { b"a" } else { b"abc" };
        assert!(reads(&[MAGIC, &[0, 0], blocks], data), "{blocks:x?}");
    }
    for blocks in [
        &b""[..],               // nothing
        b"\x18\0\0abc",         // no last one
        b"\x19\0\0ab",          // half of one
        b"\x1f\0\0abc",         // of a kind that is reserved
        b"\x19\0\0abcd",        // followed by something
        b"\x11\0\0ab",          // too short
        b"\x21\0\0abcd",        // too long
        b"\x23\0\0a",           // too long, by repetition
        b"\x2d\0\0\x20abcd",    // literals without sequences
        b"\x35\0\0\x20abcd\0",  // too many literals
        b"\x35\0\0\x18abc\0\0", // no sequences, and something behind
        b"\x05\0\0",            // without literals
    ] {
        assert!(!reads(&[MAGIC, &[0, 0], blocks], b"abc"), "{blocks:x?}");
    }
    // A block may not be longer than the window.
    let stored = [b'x'; 1_025];
    assert!(reads(&[MAGIC, &[0, 0], b"\x01\x20\0", &stored[..1_024]], &stored[..1_024]));
    assert!(!reads(&[MAGIC, &[0, 0], b"\x09\x20\0", &stored], &stored));
}

#[test]
fn checksums_are_those_of_others() {
    assert_eq!(xxh64::hash(b""), 0xef46_db37_51d8_e999);
    assert_eq!(xxh64::hash(b"a"), 0xd24e_c4f1_a98c_6e5b);
    assert_eq!(xxh64::hash(b"abc"), 0x44bc_2cf5_ad77_0999);
    let frame = [MAGIC, b"\x24\x03\x19\0\0abc"].concat();
    assert!(reads(&[&frame, b"\x99\x09\x77\xad"], b"abc"));
    assert!(!reads(&[&frame, b"\x99\x09\x77\xac"], b"abc"));
    assert!(!reads(&[&frame, b"\x99\x09\x77"], b"abc"));
    assert!(!reads(&[&frame], b"abc"));
}
