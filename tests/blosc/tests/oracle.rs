//! C in a process of its own, for frames that may crash it.

use std::fs;
use std::path::Path;
use std::process::Command;

use aiomas_blosc_tests::oracle::{Answer, MAX_DATA, Oracle};
use aiomas_core::wire::codec::blosc::{BloscError, Fault, decompress};

fn oracle() -> Oracle {
    Oracle::new(|| Command::new(env!("CARGO_BIN_EXE_oracle")))
}

#[test]
fn the_fuzzing_corpus_is_read_as_c_reads_it() {
    let mut c = oracle();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/blosc");
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        c.compare(&fs::read(&path).unwrap());
    }
    assert!(c.agreed > 20, "{c:?}");
}

/// Returns a frame for `data_len` bytes with one match. Its length has `continued` bytes of 255.
fn long_match(data_len: u32, continued: usize) -> Vec<u8> {
    let mut frame = vec![2, 1, 0x10, 1];
    frame.extend(data_len.to_le_bytes());
    frame.extend(data_len.to_le_bytes());
    let part = 3 + continued + 4;
    frame.extend((16 + 8 + part as u32).to_le_bytes());
    frame.extend(20_u32.to_le_bytes());
    frame.extend((part as u32).to_le_bytes());
    frame.extend([0, b'x', 0xe0]);
    frame.resize(frame.len() + continued, 255);
    frame.extend([0, 0, 0, b'y']);
    frame
}

/// [c-blosc#405](https://github.com/Blosc/c-blosc/issues/405): C sums up the length of a match in
/// 32 bits, and from 8,421,505 bytes on writes outside of its buffer. The report has no file; this
/// frame follows its description.
#[test]
fn c_blosc_405() {
    // With its true length, both read the same frame.
    let mut c = oracle();
    let len = 1 + (9 + 255 * 255) + 1;
    let good = long_match(len, 255);
    let data = [&vec![b'x'; len as usize - 1][..], b"y"].concat();
    assert_eq!(decompress(&good, MAX_DATA).as_ref(), Ok(&data));
    assert_eq!(c.decompress(&good), Answer::Data(data));
    let refused = |data_len: u32| {
        let fault = Fault::Corrupt { expected: data_len as usize };
        Err(BloscError::Block { block: 0, fault })
    };
    // The longest that C may receive, and lengths that overflow.
    for continued in [8_388_000, 8_421_504, 8_421_505, 8_421_605, 9_000_000] {
        assert_eq!(decompress(&long_match(1 << 16, continued), MAX_DATA), refused(1 << 16));
    }
    assert_eq!(c.decompress(&long_match(1 << 16, 8_388_000)), Answer::Refused);
    assert_eq!(c.crashes, 0);
}

#[test]
fn a_crash_is_seen_and_survived() {
    let mut c = Oracle::new(|| Command::new("false"));
    assert_eq!(c.decompress(&long_match(275, 3)), Answer::Crashed);
    assert_eq!((c.decompress(&long_match(275, 3)), c.crashes), (Answer::Crashed, 2));
}
