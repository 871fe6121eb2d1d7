//! Runs the stress model in simulations, and prints statistics.

use std::ops::Range;
use std::sync::Mutex;

use aiomas_sim::{Counts, seeds};
use aiomas_tests::stress::{self, Tally};
use clap::Parser;

#[derive(Parser)]
struct Options {
    /// The seeds to run: FROM..TO, without TO.
    #[arg(long, value_parser = range, default_value = "0..100")]
    seeds: Range<u64>,
    /// The number of simulations in parallel.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Print a line for each seed, with the hash of all events.
    #[arg(long)]
    traces: bool,
    /// Let callers keep reconnecting proxies.
    #[arg(long)]
    lines: bool,
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let number = |text: &str| text.parse().map_err(|_| format!("{text} is no number"));
    let (from, to) = text.split_once("..").ok_or("FROM..TO is needed")?;
    Ok(number(from)?..number(to)?)
}

fn main() {
    let options = Options::parse();
    let sums = Mutex::new((Counts::default(), Tally::default()));
    seeds(options.seeds.clone()).threads(options.threads).check(|builder| {
        let seed = builder.seed();
        let run = if options.lines {
            stress::simulate_reconnecting(builder)
        } else {
            stress::simulate(builder)
        };
        if options.traces {
            println!("{seed} {:016x}", run.trace);
        }
        let (faults, tally) = &mut *sums.lock().expect("no panic under the lock");
        faults.merge(&run.faults);
        tally.merge(&run.tally);
    });
    let (faults, tally) = sums.into_inner().expect("no panic under the lock");
    eprintln!("{} seeds; calls: {tally}; faults: {faults}", options.seeds.count());
}
