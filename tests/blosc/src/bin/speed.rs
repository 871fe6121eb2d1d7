//! Measures the Blosc codec against the C library, and prints a table in Markdown.
//!
//! A time is the best of many runs, which alternate between C and our codec, so that other load on
//! the machine affects both.

use std::hint::black_box;
use std::time::{Duration, Instant};

use aiomas_blosc_tests::case::Case;
use aiomas_blosc_tests::{c, data};
use aiomas_core::wire::codec::blosc::{self as ours, Shuffle};
use clap::Parser;

/// The maximum ratio of our time to C's.
const DECOMPRESS: f64 = 1.5;
const COMPRESS: f64 = 2.0;

#[derive(Debug, Parser)]
struct Options {
    /// Only the rows whose text contains this.
    #[arg(default_value = "")]
    filter: String,
    /// The duration of each measurement, in milliseconds.
    #[arg(long, default_value_t = 200)]
    time: u64,
    /// The levels to compress with.
    #[arg(long, default_values_t = [1, 9], value_delimiter = ',')]
    levels: Vec<u8>,
    /// The sizes of elements in bytes.
    #[arg(long, default_values_t = [8], value_delimiter = ',')]
    type_sizes: Vec<u8>,
}

fn main() {
    let options = Options::parse();
    let time = Duration::from_millis(options.time);
    println!(
        "| data | compressor | shuffle | type size | level | C's frame | our frame | compress, C | ours | ratio | decompress, C | ours | ratio |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|---|");
    let mut over = 0;
    for (name, data, compressors) in inputs() {
        for &(theirs, ours) in compressors {
            for (shuffle, &type_size, &level) in options.ways() {
                let row = format!("| {name} | {theirs:?} | {shuffle:?} | {type_size} | {level} |");
                if !row.contains(&options.filter) {
                    continue;
                }
                let case = Case { name, data: &data, shuffle, type_size, level };
                let (text, bars) = measure(&case, theirs, ours, time);
                println!("{row} {text}");
                over += usize::from(!bars);
            }
        }
    }
    println!("\n{over} rows over the bars: {DECOMPRESS} to decompress, {COMPRESS} to compress.");
}

impl Options {
    fn ways(&self) -> impl Iterator<Item = (Shuffle, &u8, &u8)> {
        let shuffles = [Shuffle::Byte, Shuffle::Bit].into_iter();
        shuffles.flat_map(move |shuffle| {
            let sizes = self.type_sizes.iter();
            sizes.flat_map(move |size| self.levels.iter().map(move |level| (shuffle, size, level)))
        })
    }
}

type Pair = (c::Compressor, Option<ours::Compressor>);

const SOME: &[Pair] = &[
    (c::Compressor::BloscLZ, Some(ours::Compressor::BloscLz)),
    (c::Compressor::LZ4, Some(ours::Compressor::Lz4)),
    (c::Compressor::Zstd, None),
];
const ALL: &[Pair] = &[
    (c::Compressor::BloscLZ, Some(ours::Compressor::BloscLz)),
    (c::Compressor::LZ4, Some(ours::Compressor::Lz4)),
    (c::Compressor::LZ4HC, None),
    (c::Compressor::Zlib, None),
    (c::Compressor::Zstd, None),
];

/// Returns names, data and compressors.
fn inputs() -> Vec<(&'static str, Vec<u8>, &'static [Pair])> {
    vec![
        ("walk, 1 MiB", data::walk(1 << 20), ALL),
        ("fine walk, 1 MiB", data::fine_walk(1 << 20), SOME),
        ("text, 1 MiB", data::text(1 << 20), SOME),
        ("noise, 1 MiB", data::noise(1 << 20), SOME),
        ("zeros, 1 MiB", vec![0; 1 << 20], SOME),
        ("message, 200 B", data::text(200), SOME),
        ("message, 2 KiB", data::text(2 << 10), SOME),
        ("walk, 16 KiB", data::walk(16 << 10), SOME),
    ]
}

/// Returns a row's columns, and whether the thresholds hold.
fn measure(
    case: &Case<'_>,
    theirs: c::Compressor,
    ours: Option<ours::Compressor>,
    time: Duration,
) -> (String, bool) {
    let frame = case.theirs(theirs);
    let mut row = format!("{} |", frame.len());
    let mut bars = true;
    if let Some(ours) = ours {
        row += &format!(" {} |", case.ours(ours).len());
        let (c, us) = race(time, || case.theirs(theirs), || case.ours(ours));
        bars &= column(&mut row, case, c, us, COMPRESS);
    } else {
        row += " - | - | - | - |";
    }
    let (c, us) = race(
        time,
        || c::decompress(&frame).expect("a frame of C's"),
        || ours::decompress(&frame, case.data.len()).expect("a frame of C's"),
    );
    bars &= column(&mut row, case, c, us, DECOMPRESS);
    (row, bars)
}

fn column(row: &mut String, case: &Case<'_>, c: Duration, us: Duration, bar: f64) -> bool {
    let ratio = us.as_secs_f64() / c.as_secs_f64();
    let speed = |time: Duration| case.data.len() as f64 / time.as_secs_f64() / 1e6;
    let mark = if ratio > bar { "**" } else { "" };
    *row += &format!(" {:.0} MB/s | {:.0} MB/s | {mark}{ratio:.2}{mark} |", speed(c), speed(us));
    ratio <= bar
}

/// Returns the best times of both.
fn race(time: Duration, c: impl Fn() -> Vec<u8>, us: impl Fn() -> Vec<u8>) -> (Duration, Duration) {
    let timed = |run: &dyn Fn() -> Vec<u8>, count: u32| {
        let start = Instant::now();
        for _ in 0..count {
            black_box(run());
        }
        start.elapsed() / count
    };
    // Enough runs to make the clock's resolution negligible.
    let once = timed(&us, 3).max(Duration::from_nanos(1));
    let count = (20_000 / once.as_nanos() as u32).max(1);
    let (mut best_c, mut best_us) = (Duration::MAX, Duration::MAX);
    let end = Instant::now() + time;
    while Instant::now() < end {
        best_c = best_c.min(timed(&c, count));
        best_us = best_us.min(timed(&us, count));
    }
    (best_c, best_us)
}
