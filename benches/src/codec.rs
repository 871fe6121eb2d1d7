//! `bench codec`: the cost of encoding and decoding 1 MiB of numbers, beside Python's.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use aiomas_blosc_tests::case::Case;
use aiomas_blosc_tests::{c, data};
use aiomas_core::connection::Limits;
use aiomas_core::wire::codec::blosc::{self, Compressor, Shuffle};
use aiomas_core::wire::codec::{decode, encode};
use aiomas_core::wire::{CodecContext, Format, Types};
use aiomas_tests::python;
use clap::Args;
use serde::Serialize;
use serde_bytes::{ByteBuf, Bytes};

/// Measures codecs with 1 MiB of numbers.
#[derive(Clone, Debug, Args)]
pub(crate) struct Codecs {
    /// The time to measure each row, in seconds.
    #[arg(long, default_value_t = 0.2, value_parser = seconds)]
    seconds: f64,
    /// Skip Python.
    #[arg(long)]
    no_python: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (0.001..=60.0).contains(&number) => Ok(number),
        _ => Err("must be a time from 0.001 s to 60 s".into()),
    }
}

const MIB: usize = 1 << 20;

/// A row: the operation, its name in Python, and its time.
type Row = (&'static str, Option<&'static str>, Duration);

/// Runs `bench codec`.
///
/// # Errors
/// Python fails.
pub(crate) fn codecs(options: &Codecs) -> Result<(), String> {
    let (time, bytes) = (Duration::from_secs_f64(options.seconds), data::walk(MIB));
    let numbers: Vec<f64> = bytemuck::pod_collect_to_vec(&bytes);
    let mut rows = lists(&numbers, time);
    rows.extend(compressed(&bytes, time));
    let theirs = match options.no_python {
        true => BTreeMap::new(),
        false => python_times(&bytes, options.seconds)?,
    };
    let copy = rows[0].2.as_secs_f64();
    println!("| 1 MiB of f64 | time, µs | GB/s | ÷ memcpy | Python, µs |");
    println!("|---|--:|--:|--:|--:|");
    for (what, name, time) in rows {
        let seconds = time.as_secs_f64();
        let theirs = name.and_then(|name| theirs.get(name));
        let theirs = theirs.map_or_else(|| "-".into(), |seconds| format!("{:.1}", seconds * 1e6));
        println!(
            "| {what} | {:.1} | {:.2} | {:.1} | {theirs} |",
            seconds * 1e6,
            MIB as f64 / seconds / 1e9,
            seconds / copy,
        );
    }
    Ok(())
}

/// Measures numbers as bytes and as lists.
fn lists(numbers: &[f64], time: Duration) -> Vec<Row> {
    let codec_context = CodecContext::new(Types::default(), Limits::trusted().budget);
    let bytes = || Bytes::new(bytemuck::cast_slice(numbers));
    let bin = written(Format::MsgPack, &codec_context, bytes());
    let list = written(Format::MsgPack, &codec_context, numbers);
    let json = written(Format::Json, &codec_context, numbers);
    let read =
        |payload| decode::<ByteBuf>(Format::MsgPack, payload, &codec_context).expect("bytes");
    let borrowed = |payload| -> Vec<f64> {
        let bytes: &[u8] = decode(Format::MsgPack, payload, &codec_context).expect("bytes");
        bytemuck::pod_collect_to_vec(bytes)
    };
    assert_eq!(borrowed(&bin), numbers);
    assert_eq!(decoded(Format::MsgPack, &codec_context, &list), numbers);
    assert_eq!(decoded(Format::Json, &codec_context, &json), numbers);
    let encoder = |format, out: &mut Vec<u8>| {
        out.clear();
        encode(format, &codec_context, numbers, out).expect("numbers can be written");
    };
    let (mut copy, mut out) = (vec![0_f64; numbers.len()], Vec::new());
    vec![
        ("memcpy", None, best(time, || copy.copy_from_slice(black_box(numbers)))),
        (
            "MsgPack, bytes: encode",
            Some("bin-encode"),
            best(time, || {
                out.clear();
                encode(Format::MsgPack, &codec_context, bytes(), &mut out).expect("bytes");
            }),
        ),
        ("MsgPack, bytes: decode to bytes", Some("bin-decode"), best(time, || read(&bin))),
        ("MsgPack, bytes: decode to f64", None, best(time, || borrowed(&bin))),
        (
            "MsgPack, list: encode",
            Some("list-encode"),
            best(time, || encoder(Format::MsgPack, &mut out)),
        ),
        (
            "MsgPack, list: decode",
            Some("list-decode"),
            best(time, || decoded(Format::MsgPack, &codec_context, &list)),
        ),
        ("JSON, list: encode", Some("json-encode"), best(time, || encoder(Format::Json, &mut out))),
        (
            "JSON, list: decode",
            Some("json-decode"),
            best(time, || decoded(Format::Json, &codec_context, &json)),
        ),
    ]
}

fn written<T: Serialize + ?Sized>(
    format: Format,
    codec_context: &CodecContext,
    value: &T,
) -> Vec<u8> {
    let mut out = Vec::new();
    encode(format, codec_context, value, &mut out).expect("a successful write");
    out
}

fn decoded(format: Format, codec_context: &CodecContext, bytes: &[u8]) -> Vec<f64> {
    decode(format, bytes, codec_context).expect("a successful read")
}

/// Measures Blosc as aiomas uses it, with our implementation and the C library.
fn compressed(bytes: &[u8], time: Duration) -> Vec<Row> {
    let case = Case { name: "walk", data: bytes, shuffle: Shuffle::Byte, type_size: 8, level: 9 };
    let (ours, theirs) = (case.ours(Compressor::BloscLz), case.theirs(c::Compressor::BloscLZ));
    let back = |frame| blosc::decompress(frame, MIB).expect("a frame");
    assert!(back(&ours) == bytes && back(&theirs) == bytes);
    let c_back = || c::decompress(&theirs).expect("a frame");
    vec![
        ("Blosc, compress", Some("blosc-compress"), best(time, || case.ours(Compressor::BloscLz))),
        ("Blosc, compress in C", None, best(time, || case.theirs(c::Compressor::BloscLZ))),
        ("Blosc, decompress", Some("blosc-decompress"), best(time, || back(&ours))),
        ("Blosc, decompress in C", None, best(time, c_back)),
    ]
}

/// Returns the best time of many runs.
fn best<T>(time: Duration, mut run: impl FnMut() -> T) -> Duration {
    let (end, mut best) = (Instant::now() + time, Duration::MAX);
    loop {
        let begin = Instant::now();
        black_box(run());
        let now = Instant::now();
        best = best.min(now - begin);
        if now >= end {
            return best;
        }
    }
}

/// Returns Python's times in seconds, with the same bytes.
fn python_times(bytes: &[u8], seconds: f64) -> Result<BTreeMap<String, f64>, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/codec.py");
    let failed = |error: &dyn std::fmt::Display| format!("Python: {error}; take --no-python");
    let interpreter = python::try_interpreter().map_err(|error| failed(&error))?;
    let mut child = Command::new(interpreter)
        .arg(script)
        .arg(seconds.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| failed(&error))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(bytes).map_err(|error| failed(&error))?;
    }
    let output = child.wait_with_output().map_err(|error| failed(&error))?;
    serde_json::from_slice(&output.stdout).map_err(|error| failed(&error))
}
