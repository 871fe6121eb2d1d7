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
/// If `AIOMAS_SIM_SEED` is set, for that one only; faults that `AIOMAS_SIM_WITHOUT` lists, with commas between
/// them, are switched off.
///
/// ```
/// use aiomas_sim::{Link, seeds};
///
/// seeds(0..20).check(|builder| {
///     let sim = builder.link(Link::rough()).build();
///     sim.block_on(async { /* what has to hold whatever happens */ });
/// });
/// ```
pub const fn seeds(seeds: Range<u64>) -> Seeds {
    Seeds { seeds, threads: 1 }
}

/// See [`seeds`].
#[derive(Clone, Debug)]
#[must_use = "nothing is run until it is checked"]
pub struct Seeds {
    seeds: Range<u64>,
    threads: usize,
}

/// How a run has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Failure(Seen);

impl Failure {
    /// What two failures have in common that are the same one: the place of the panic, and the first line of its message
    /// but for the numbers, which differ from run to run.
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
    /// Runs so many simulations at a time, each in a thread: one after the other unless told otherwise.
    pub const fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Runs the test with a builder for each seed. It fails by a panic.
    ///
    /// # Panics
    /// The test has, for one seed at least. Then faults are switched off one by one, as long as it fails without
    /// them in the same way; the message says which are left, and by which line the run can be repeated. A run that is
    /// repeated so is run once.
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
                    // The first one, if two fail at a time.
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

/// How the test fails, if it does.
fn fails(test: &impl Fn(SimBuilder), seed: u64, without: &[Fault]) -> Option<Failure> {
    let builder = SimBuilder::new(seed);
    let builder = without.iter().fold(builder, |builder, fault| builder.without(*fault));
    let (passed, seen) = watch(|| test(builder));
    // A test may catch panics of its own before.
    if passed.is_some() { None } else { seen.into_iter().last().map(Failure) }
}

/// Finds out which faults it takes, and says so.
fn report(
    test: &impl Fn(SimBuilder),
    seed: u64,
    mut failure: Failure,
    mut without: Vec<Fault>,
) -> ! {
    // A run that differs from the first has something in it that no seed decides.
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
    // Tests run in threads of their names.
    let name = thread.name().filter(|name| *name != "main");
    let command = name.map_or_else(|| "...".to_owned(), |name| format!("cargo test {name}"));
    let off =
        if without.is_empty() { String::new() } else { format!(" {WITHOUT}={}", List(&without)) };
    panic!(
        "seed {seed} fails: {failure}{differs}\n\
         It takes: {takes}. To repeat it:\n    {SEED}={seed}{off} {command}"
    );
}
