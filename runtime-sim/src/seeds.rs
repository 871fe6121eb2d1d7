//! One test for many seeds.

use std::env;
use std::fmt::{self, Display};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::builder::SimBuilder;
use crate::fault::{Fault, List};
use crate::panics::{Seen, watch};

const SEED: &str = "AIOMAS_SIM_SEED";
const WITHOUT: &str = "AIOMAS_SIM_WITHOUT";

/// Runs a test for many seeds.
///
/// `AIOMAS_SIM_SEED` restricts the run to one seed. `AIOMAS_SIM_WITHOUT` lists faults to switch
/// off, separated by commas.
///
/// ```
/// use aiomas_sim::{Link, seeds};
///
/// seeds(0..20).check(|builder| {
///     let sim = builder.link(Link::rough()).build();
///     sim.block_on(async { /* assertions that must hold under all faults */ });
/// });
/// ```
pub const fn seeds(seeds: Range<u64>) -> Seeds {
    Seeds { seeds, threads: 1 }
}

/// A range of seeds for a test. See [`seeds`].
#[derive(Clone, Debug)]
#[must_use = "nothing is run until it is checked"]
pub struct Seeds {
    seeds: Range<u64>,
    threads: usize,
}

/// The failure of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Failure(Seen);

impl Failure {
    /// Returns the features that identify a failure: the location of the panic, and the first line
    /// of its message without numbers, which differ from run to run.
    fn kind(&self) -> (Option<String>, String) {
        let Seen { message, location, cause } = &self.0;
        let (message, location) = match cause {
            Some(cause) => (&cause.text, &cause.location),
            None => (message, location),
        };
        let line = message.split(['\n', ';']).next().unwrap_or_default();
        let mut kind = String::with_capacity(line.len());
        for c in line.chars() {
            match c {
                '0'..='9' | '.' if kind.ends_with('#') => {}
                '0'..='9' => kind.push('#'),
                _ => kind.push(c),
            }
        }
        (location.clone(), kind)
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Seen { cause: Some(cause), .. } => f.write_str(&cause.text),
            Seen { message, location: Some(location), .. } => write!(f, "{message}\nat {location}"),
            Seen { message, .. } => f.write_str(message),
        }
    }
}

impl Seeds {
    /// Sets how many simulations run in parallel, each in its own thread. The default is 1.
    pub const fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Runs the test with a builder for each seed. A panic fails the test.
    ///
    /// # Panics
    /// The test panicked for at least one seed. Then faults are switched off one by one, as long as
    /// the test still fails in the same way. The message names the faults that remain, and the line
    /// that repeats the run. A repeated run is not reduced again.
    pub fn check(self, test: impl Fn(SimBuilder) + Sync) {
        let without = faults_off();
        if let Some(seed) = variable(SEED) {
            let seed = seed.parse().unwrap_or_else(|_| panic!("{SEED} has to be a number"));
            if let Some(failure) = fails(&test, seed, &without) {
                panic!("seed {seed} fails: {failure}");
            }
            return;
        }
        let seeds = self.seeds;
        let next = AtomicU64::new(seeds.start);
        let failed = AtomicBool::new(false);
        let first = Mutex::new(None);
        let work = || {
            while !failed.load(Ordering::Relaxed) {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end {
                    return;
                }
                if let Some(found) = fails(&test, seed, &without) {
                    failed.store(true, Ordering::Relaxed);
                    let mut first = first.lock().unwrap_or_else(PoisonError::into_inner);
                    // Of two failures in parallel, the one with the lower seed.
                    if first.as_ref().is_none_or(|(first, _)| seed < *first) {
                        *first = Some((seed, found));
                    }
                }
            }
        };
        if self.threads <= 1 {
            work();
        } else {
            thread::scope(|scope| {
                for _ in 0..self.threads {
                    scope.spawn(work);
                }
            });
        }
        if let Some((seed, failure)) = first.into_inner().unwrap_or_else(PoisonError::into_inner) {
            report(&test, seed, failure, without);
        }
    }
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

fn faults_off() -> Vec<Fault> {
    let names = variable(WITHOUT).unwrap_or_default();
    let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
    let faults =
        names.map(|name| name.parse().unwrap_or_else(|error| panic!("{WITHOUT}: {error}")));
    faults.collect()
}

/// Returns the failure of the test, if it fails.
fn fails(test: &impl Fn(SimBuilder), seed: u64, without: &[Fault]) -> Option<Failure> {
    let builder = SimBuilder::new(seed);
    let builder = without.iter().fold(builder, |builder, fault| builder.without(*fault));
    let (passed, seen) = watch(|| test(builder));
    // The last panic counts: a test may catch earlier panics of its own.
    if passed.is_some() { None } else { seen.into_iter().last().map(Failure) }
}

/// Reduces the faults to a minimal set that fails the test, and reports it.
fn report(
    test: &impl Fn(SimBuilder),
    seed: u64,
    mut failure: Failure,
    mut without: Vec<Fault>,
) -> ! {
    // The second run passed, so the failure depends on something other than the seed.
    let Some(again) = fails(test, seed, &without) else {
        panic!(
            "seed {seed} failed, but not when it was repeated: something depends on more than the seed \
             (a clock, threads, the order of a HashMap). It was: {failure}"
        );
    };
    let differs = if again == failure {
        ""
    } else {
        "\n(repeated, it fails otherwise: something depends on more than the seed)"
    };
    let kind = failure.kind();
    for fault in Fault::ALL {
        if !without.contains(&fault) {
            without.push(fault);
            match fails(test, seed, &without).filter(|fails| fails.kind() == kind) {
                Some(fails) => failure = fails,
                None => _ = without.pop(),
            }
        }
    }
    let left: Vec<Fault> =
        Fault::ALL.into_iter().filter(|fault| !without.contains(fault)).collect();
    let takes: &dyn Display = if left.is_empty() { &"no faults at all" } else { &List(&left) };
    without.sort();
    let thread = thread::current();
    // The test harness names each thread after its test.
    let name = thread.name().filter(|name| *name != "main");
    let command = name.map_or_else(|| "...".to_owned(), |name| format!("cargo test {name}"));
    let off =
        if without.is_empty() { String::new() } else { format!(" {WITHOUT}={}", List(&without)) };
    panic!(
        "seed {seed} fails: {failure}{differs}\n\
         It takes: {takes}. To repeat it:\n    {SEED}={seed}{off} {command}"
    );
}
