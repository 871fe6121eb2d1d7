//! Data to compress, which are the same in every run.

use std::iter;

/// Returns numbers without any pattern.
pub fn numbers(seed: u64) -> impl Iterator<Item = u64> {
    iter::successors(Some(seed), |x| {
        Some(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407))
    })
    .skip(1)
    .map(|x| x ^ x >> 32)
}

/// Returns bytes without any pattern.
#[must_use]
pub fn noise(len: usize) -> Vec<u8> {
    numbers(1).map(|x| x as u8).take(len).collect()
}

/// Returns random words.
#[must_use]
pub fn text(len: usize) -> Vec<u8> {
    let words = ["agent", "power", "[1, 2, 3]", "grid", "schedule", "a", "{\"t\": 0.25}", "\n"];
    numbers(2).flat_map(|x| words[x as usize % words.len()].bytes()).take(len).collect()
}

/// Returns small 64-bit integers that count up.
#[must_use]
pub fn integers(len: usize) -> Vec<u8> {
    (0_u64..).flat_map(u64::to_le_bytes).take(len).collect()
}

/// Returns a sine, in 64-bit floats.
#[must_use]
pub fn sine(len: usize) -> Vec<u8> {
    (0..).flat_map(|i| (f64::from(i) / 100.0).sin().to_le_bytes()).take(len).collect()
}

/// Returns a random walk, in 64-bit floats: a measurement with two decimals.
#[must_use]
pub fn walk(len: usize) -> Vec<u8> {
    let steps = numbers(3).map(|x| (x % 201) as f64 - 100.0);
    let walk = steps.scan(0.0, |at, step| {
        *at += step;
        Some(*at / 100.0)
    });
    walk.flat_map(f64::to_le_bytes).take(len).collect()
}

/// Returns a random walk, in 64-bit floats with all bits significant.
#[must_use]
pub fn fine_walk(len: usize) -> Vec<u8> {
    let steps = numbers(3).map(|x| (x >> 11) as f64 / (1_u64 << 53) as f64 - 0.5);
    let walk = steps.scan(0.0, |at, step| {
        *at += step;
        Some(*at)
    });
    walk.flat_map(f64::to_le_bytes).take(len).collect()
}

/// Returns data whose kind changes in the middle.
#[must_use]
pub fn mixed(len: usize) -> Vec<u8> {
    let part = len / 4;
    let mut data = text(part);
    data.extend(noise(part));
    data.extend(sine(part));
    data.resize(len, 0);
    data
}

/// A name, and a function that returns a number of bytes of this kind.
pub type Kind = (&'static str, fn(usize) -> Vec<u8>);

/// The kinds of data.
pub const KINDS: [Kind; 8] = [
    ("text", text),
    ("integers", integers),
    ("sine", sine),
    ("walk", walk),
    ("fine walk", fine_walk),
    ("mixed", mixed),
    ("noise", noise),
    ("zeros", |len| vec![0; len]),
];
