//! Writes the seeds of all fuzzing corpora. Other files of a corpus stay.

use std::fs;
use std::path::Path;

use aiomas_core::wire::Format;
use aiomas_tests::fuzz::TARGETS;
use aiomas_tests::message;
use aiomas_tests::transcript::{self, Direction, Transcript, What};
use serde_json::{Value, json};

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
        "blosc" => [vectors("msgpackblosc", 40, 3000), compressed(), vec![c_blosc_405()]].concat(),
        "date" => dates(),
        "deframe_split" => prefixed(6, streams()),
        "envelope_json" => vectors("json", 50, 400),
        "envelope_msgpack" => vectors("msgpack", 50, 400),
        "hello" => hellos(),
        "mosaik" => simulations(),
        "rpc_arguments" => bindings(),
        "value" => {
            let json = prefixed(0xfe, vectors("json", 25, 200));
            json.into_iter().chain(prefixed(0xff, vectors("msgpack", 25, 200))).collect()
        }
        "tls_record" => tls_records(),
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

/// Returns dates that Python has accepted or rejected. They are texts, numbers, or encoded by
/// peers.
fn dates() -> Vec<Seed> {
    let data: Value = serde_json::from_str(include_str!("../../data/dates.json")).unwrap();
    let cases = data.as_array().unwrap().iter().enumerate();
    let seeds = cases.flat_map(|(number, case)| {
        // The higher bits give the offset from there.
        let choice = (number as u8) << 2;
        let (kind, plain) = match (case["text"].as_str(), case["number"].as_f64()) {
            (Some(text), _) => (0, text.as_bytes().to_vec()),
            (None, seconds) => (1, seconds.unwrap().to_le_bytes().to_vec()),
        };
        let value = if kind == 0 { &case["text"] } else { &case["number"] };
        let typed = json!({"__type__": [0, value]});
        let sent = |format| message::encoded(format, &typed).to_vec();
        let inputs = [(kind, plain), (2, sent(Format::Json)), (3, sent(Format::MsgPack))];
        inputs.map(|(kind, input)| {
            (format!("{number:02}-{kind}"), [&[choice | kind], &input[..]].concat())
        })
    });
    seeds.collect()
}

/// Returns descriptions of peers, in questions and answers.
fn hellos() -> Vec<Seed> {
    let said = [
        ("least", json!({"version": 1, "codecs": ["msgpack"]})),
        (
            "all",
            json!({
                "version": 1, "codecs": ["json", "msgpack"], "max_frame": 5000, "max_calls": 2,
                "extensions": ["cancel"], "types": ["point", "date"],
            }),
        ),
        (
            "limits",
            json!({"version": 2, "codecs": ["msgpack", "json"], "max_frame": 0, "max_calls": 0}),
        ),
        (
            "extensions",
            json!({"version": 1, "codecs": ["msgpack"], "extensions": ["deadline", "colour", "cancel"]}),
        ),
        ("unknown", json!({"version": 9, "codecs": ["cbor"], "colour": [1, {"a": null}]})),
        ("list", json!([1, ["json"], null, 5, [], ["date"]])),
        ("wrong", json!({"version": -1, "codecs": "json", "types": null})),
        ("none", json!("LookupError: Name \"$hello\" not found")),
    ];
    let seeds = said.iter().flat_map(|(name, said)| {
        [(4, Format::Json), (7, Format::MsgPack), (12, Format::Json), (15, Format::MsgPack)].map(
            |(setup, format)| {
                let said = message::encoded(format, said);
                (format!("{name}-{setup:02}"), [&[setup], &said[..]].concat())
            },
        )
    });
    seeds.collect()
}

/// Returns requests of mosaik to simulators, in valid and invalid order.
fn simulations() -> Vec<Seed> {
    let begin =
        "[\"init\", [\"S\"], {\"time_resolution\": 1.0}]\n[\"create\", [2, \"Thing\"], {}]\n";
    let steps = "[\"setup_done\", [], {}]\n[\"step\", [0, {\"thing_0\": {\"x\": {\"A.a\": 1.5}}}, 9], {}]\n\
                 [\"get_data\", [{\"thing_0\": [\"x\"], \"thing_1\": []}], {}]\n";
    let stop = "[\"stop\", [], {}]\n";
    let echo = "[\"echo\", [], {\"a\": [NaN, null], \"b\": {}}]\n";
    let seeds = [
        ("simulation", 0, [begin, steps, echo, stop].concat()),
        ("older", 1, [begin, steps, "[\"step\", [1, {}], {}]\n"].concat()),
        ("order", 2, [steps, stop, begin, steps].concat()),
        ("again", 4, [begin, begin, steps, begin].concat()),
        ("names", 3, ["[\"init\", [], {\"sid\": \"S\"}]\n[\"create\", [], {\"model\": \"Thing\", \"num\": 3}]\n", steps].concat()),
        ("wrong", 6, [begin, "[\"create\", [-1, \"Thing\"], {}]\n[\"create\", [1, \"None\"]]\n[\"step\", [9223372036854775807, {}, 0], {}]\n[1]\n{}\n"].concat()),
        ("raw", 5, [begin, "#[7, 0, 0]\n#[1, 0, 0]\n", steps].concat()),
        ("broken", 7, [begin, "[\"total\n", steps].concat()),
    ];
    let seed = |(name, setup, text): (&str, u8, String)| {
        (name.to_owned(), [&[setup, 3], text.as_bytes()].concat())
    };
    seeds.into_iter().map(seed).collect()
}

/// Returns calls that Python bound, each to a function's parameters.
fn bindings() -> Vec<Seed> {
    let data: Value = serde_json::from_str(include_str!("../../data/binding.json")).unwrap();
    let functions = data.as_array().unwrap().iter();
    let seeds = functions.flat_map(|function| {
        let count = |kind: &str| function[kind].as_array().unwrap().len() as u8;
        let takes = |kind: &str| u8::from(function[kind].as_bool().unwrap());
        let (required, optional) = (count("required"), count("optional"));
        let choice = takes("args") << 1 | takes("kwargs") << 2;
        let shape = required << 4 | (required + optional);
        function["cases"].as_array().unwrap().iter().map(move |case| {
            let (format, content) = match case["json"].as_str() {
                Some(json) => (0, json.as_bytes().to_vec()),
                None => (1, hex(case["msgpack"].as_str().unwrap())),
            };
            [&[choice | format, shape], &content[..]].concat()
        })
    });
    seeds.step_by(17).enumerate().map(numbered).collect()
}

/// Returns up to `count` messages of Python in `codec`, of at most `max` bytes each.
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

/// Returns random bytes and imitations of TLS records, for each way of sending.
fn tls_records() -> Vec<Seed> {
    let heads: [(&str, &[u8]); 6] = [
        ("nothing", &[]),
        ("plain", &[0, 0, 0, 9, b'[', b'0', b',', b' ', b'0', b',', b' ', b'1', b']']),
        ("hello", &[22, 3, 1, 0, 4, 1, 0, 0, 0]),
        ("alert", &[21, 3, 3, 0, 2, 2, 40]),
        ("content", &[23, 3, 3, 0, 5, 1, 2, 3, 4, 5]),
        ("long", &[22, 3, 3, 0xff, 0xff, 11, 0xff, 0xff, 0xff]),
    ];
    let ways = (0..6_u8).flat_map(|way| heads.map(|(name, head)| (way, name, head)));
    ways.map(|(way, name, head)| (format!("{way}-{name}"), [&[way, 37], head].concat())).collect()
}

/// Returns frames of python-blosc with compressors that peers do not use by default.
fn compressed() -> Vec<Seed> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("blosc/data");
    let compressors = ["lz4", "zlib", "zstd"].into_iter();
    compressors
        .flat_map(|name| {
            ["numbers-byte-8-9", "text-none-8-9", "bytes-bit-8-9"].map(|data| (name, data))
        })
        .map(|(name, data)| format!("{name}-{data}"))
        .map(|name| (name.clone(), fs::read(folder.join(format!("{name}.blosc"))).unwrap()))
        .collect()
}

/// Returns a frame like that of c-blosc#405, with a shorter match.
fn c_blosc_405() -> Seed {
    let mut frame = vec![2, 1, 0x10, 1, 0, 0, 1, 0, 0, 0, 1, 0];
    let part = [&[0, b'x', 0xe0][..], &[255; 2_000], &[0, 0, 0, b'y']].concat();
    for word in [24 + part.len(), 20, part.len()] {
        frame.extend((word as u32).to_le_bytes());
    }
    frame.extend(part);
    ("c_blosc_405".to_owned(), frame)
}

/// Returns recorded streams of Python peers, in each direction.
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

/// Returns random bytes.
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
