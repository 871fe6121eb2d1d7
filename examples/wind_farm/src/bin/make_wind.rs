//! Generates the built-in week of wind:
//!
//!     cargo run -p wind_farm --bin make_wind > examples/wind_farm/data/week.csv
//!
//! It uses only addition, subtraction, multiplication and division, whose results are the same on
//! all machines.

use fastrand::Rng;

const SEED: u64 = 20_260_105;
const DAYS: usize = 7;
const STEPS_PER_DAY: usize = 96;
/// The mean of the week, in m/s.
const MEAN: f64 = 10.5;
/// The difference between early afternoon and early morning, in m/s.
const DAILY: f64 = 2.5;
/// The share of the weather that remains after 15 minutes, and the share of change.
const STAYS: f64 = 0.985;
const COMES: f64 = 0.62;
/// The frequency of gusts, and their maximum strength.
const GUSTS: f64 = 0.03;
const STRONGEST: f64 = 8.0;
/// The variation of the wind at one place.
const LOCAL: f64 = 0.5;
const PLACES: [(&str, f64); 4] = [("north", 1.05), ("east", 0.9), ("south", 0.95), ("west", 1.1)];

/// Draws from the normal distribution, approximated by the sum of twelve random numbers.
fn normal(random: &mut Rng) -> f64 {
    (0..12).map(|_| random.f64()).sum::<f64>() - 6.0
}

/// Returns a daily cycle from -1 to 1 and back. It is a parabola with its maximum at 14:00.
fn daily(step: usize) -> f64 {
    let since_two = (step + STEPS_PER_DAY - 56) % STEPS_PER_DAY;
    let x = since_two as f64 / STEPS_PER_DAY as f64;
    1.0 - 8.0 * x * (1.0 - x)
}

fn main() {
    let mut random = Rng::with_seed(SEED);
    let names = PLACES.map(|(name, _)| name);
    println!("minute,{}", names.join(","));
    let mut weather = 0.0;
    for step in 0..DAYS * STEPS_PER_DAY {
        weather = STAYS * weather + COMES * normal(&mut random);
        let mut cells = vec![(step * 15).to_string()];
        for (_, exposure) in PLACES {
            let gust = if random.f64() < GUSTS { STRONGEST * random.f64() } else { 0.0 };
            let local = LOCAL * normal(&mut random);
            let wind = exposure * (MEAN + DAILY * daily(step) + weather) + local + gust;
            cells.push(format!("{:.2}", wind.clamp(0.0, 35.0)));
        }
        println!("{}", cells.join(","));
    }
}
