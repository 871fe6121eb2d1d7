//! Writes the seeds of all fuzzing corpora. What has been added to a corpus stays.

use std::fs;
use std::path::Path;

use aiomas_tests::fuzz::TARGETS;
use aiomas_tests::transcript::{self, Direction, Transcript, What};
use serde_json::Value;

fn main() {
    for (name, _) in TARGETS {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(name);
        fs::create_dir_all(&folder).unwrap();
        for (seed, input) in seeds(name) {
            fs::write(folder.join(format!("seed-{seed}")), input).unwrap();
        }
    }
}

type Seed = (String, Vec<u8>);

fn seeds(target: &str) -> Vec<Seed> {
    let prefixed = |prefix: u8, seeds: Vec<Seed>| -> Vec<Seed> {
        let prefixed = |(name, input): Seed| (name, [&[prefix], &input[..]].concat());
        seeds.into_iter().map(prefixed).collect()
    };
    match target {
        "blosc" => [vectors("msgpackblosc", 40, 3000), snappy(), vec![c_blosc_405()]].concat(),
        "deframe_split" => prefixed(6, streams()),
        "envelope_json" => vectors("json", 50, 400),
        "envelope_msgpack" => vectors("msgpack", 50, 400),
        "value" => {
            let json = prefixed(0xfe, vectors("json", 25, 200));
            json.into_iter().chain(prefixed(0xff, vectors("msgpack", 25, 200))).collect()
        }
        "url" => {
            URLS.map(|url| url.as_bytes().to_vec()).into_iter().enumerate().map(numbered).collect()
        }
        _ => scripts(target),
    }
}

const URLS: [&str; 10] = [
    "tcp://127.0.0.1:5555/0",
    "tcp://[::1]:5555/agents/0",
    "tcp://localhost:0/",
    "tcp://::1:5555",
    "ipc://[/tmp/socket]/1",
    "ipc:///tmp/a b]/0",
    "local://name/0",
    "local://é",
    "tcp://host:65536/0",
    "://",
];

fn numbered((number, input): (usize, Vec<u8>)) -> Seed {
    (format!("{number:02}"), input)
}

fn hex(text: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(byte).collect()
}

/// Some messages of Python's in `codec`, of at most `max` bytes.
fn vectors(codec: &str, count: usize, max: usize) -> Vec<Seed> {
    let data: Value = serde_json::from_str(include_str!("../../data/vectors.json")).unwrap();
    let all: Vec<_> = data["vectors"].as_array().unwrap().iter().collect();
    let all = all.into_iter().filter(|vector| vector["codec"] == codec);
    let payloads = all.filter_map(|vector| {
        let name = vector["name"].as_str().unwrap().to_owned();
        Some((format!("{name}-{codec}"), hex(vector["payload_hex"].as_str()?)))
    });
    let all: Vec<Seed> = payloads.filter(|(_, payload)| payload.len() <= max).collect();
    let step = all.len().div_ceil(count).max(1);
    all.into_iter().step_by(step).collect()
}

/// Frames of python-blosc with Snappy, which no peer writes by itself.
fn snappy() -> Vec<Seed> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("blosc/data");
    ["numbers-byte-8-9", "text-none-8-9", "bytes-bit-8-9"]
        .map(|name| (name, fs::read(folder.join(format!("snappy-{name}.blosc"))).unwrap()))
        .map(|(name, frame)| (format!("snappy-{name}"), frame))
        .into()
}

/// A frame like that of c-blosc#405, with a shorter run of 255 in the length of its match.
fn c_blosc_405() -> Seed {
    let mut frame = vec![2, 1, 0x10, 1, 0, 0, 1, 0, 0, 0, 1, 0];
    let part = [&[0, b'x', 0xe0][..], &[255; 2_000], &[0, 0, 0, b'y']].concat();
    for word in [24 + part.len(), 20, part.len()] {
        frame.extend((word as u32).to_le_bytes());
    }
    frame.extend(part);
    ("c_blosc_405".to_owned(), frame)
}

/// What was recorded of Python peers, in each direction.
fn streams() -> Vec<Seed> {
    let mut seeds = vec![("too-long".to_owned(), vec![0, 0, 0, 1, 9, 0xff, 0, 0, 0])];
    for name in transcript::NAMES {
        let transcript = Transcript::load(name);
        for to in [Direction::ToServer, Direction::ToClient] {
            let frames = transcript.events.iter().filter_map(|event| match &event.what {
                What::Frame { direction, bytes, .. } if *direction == to => Some(&bytes[..]),
                _ => None,
            });
            let stream: Vec<&[u8]> = frames.take(12).collect();
            seeds.push((format!("{name}-{to:?}"), stream.concat()));
        }
    }
    seeds
}

/// Random bytes.
fn scripts(target: &str) -> Vec<Seed> {
    let mut state =
        target.bytes().fold(1_u64, |state, byte| state.wrapping_mul(31) + u64::from(byte));
    let mut byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    let script = |length: usize| (0..length).map(|_| byte()).collect();
    (1..=20).map(|number| number * 16).map(script).enumerate().map(numbered).collect()
}
