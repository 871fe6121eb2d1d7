//! The same data through C and through our codec. The program `differential` tries many more cases.

use aiomas_blosc_tests::case::{Case, SHUFFLES};
use aiomas_blosc_tests::{c, data};
use aiomas_core::wire::codec::blosc::{self as ours, Shuffle};

fn check(name: &str, data: &[u8], type_sizes: &[u8], levels: &[u8]) {
    for shuffle in SHUFFLES {
        for &type_size in type_sizes {
            for &level in levels {
                Case { name, data, shuffle, type_size, level }.check();
            }
        }
    }
}

#[test]
fn small_frames() {
    for len in [0, 1, 16, 127, 128, 1_001, 4_096] {
        for (name, make) in data::KINDS {
            check(name, &make(len), &[1, 3, 8, 16, 17, 255], &[1, 9]);
        }
    }
}

#[test]
fn every_type_size() {
    let all: Vec<u8> = (1..=255).collect();
    check("mixed", &data::mixed(2_000), &all, &[5]);
}

#[test]
fn every_level() {
    let all: Vec<u8> = (0..=9).collect();
    check("mixed", &data::mixed(20_003), &[1, 4, 8], &all);
}

#[test]
fn several_blocks() {
    for (name, make) in data::KINDS {
        check(name, &make(200_003), &[8, 17], &[1]);
    }
}

#[test]
fn frames_are_not_much_larger_than_from_c() {
    for (name, make) in data::KINDS {
        // The results for data that hardly compress, or change in the middle, depend on luck.
        if ["text", "mixed"].contains(&name) {
            continue;
        }
        let data = make(400_000);
        let case = Case { name, data: &data, shuffle: Shuffle::Byte, type_size: 8, level: 9 };
        for (ours, theirs) in [
            (ours::Compressor::BloscLz, c::Compressor::BloscLZ),
            (ours::Compressor::Lz4, c::Compressor::LZ4),
        ] {
            let (us, them) = (case.ours(ours).len(), case.theirs(theirs).len());
            assert!(us <= them + them / 10, "{case:?}, {ours:?}: {us}, C: {them}");
        }
    }
}
