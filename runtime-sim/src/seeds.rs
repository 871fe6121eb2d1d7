//! One test for many seeds.

use std::env;
use std::fmt::Display;
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::builder::SimBuilder;
use crate::fault::{Fault, List};

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

/// A run that has failed.
struct Failure {
    seed: u64,
    message: String,
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
    /// them; the message says which are left, and by which line the run can be repeated.
    pub fn check(self, test: impl Fn(SimBuilder) + Sync) {
        let without = faults_off();
        let seeds = match variable(SEED) {
            Some(seed) => {
                let seed: u64 =
                    seed.parse().unwrap_or_else(|_| panic!("{SEED} has to be a number"));
                seed..seed.saturating_add(1)
            }
            None => self.seeds,
        };
        let next = AtomicU64::new(seeds.start);
        let failed = AtomicBool::new(false);
        let failure = Mutex::new(None);
        let work = || {
            while !failed.load(Ordering::Relaxed) {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end {
                    return;
                }
                if let Some(message) = fails(&test, seed, &without) {
                    failed.store(true, Ordering::Relaxed);
                    let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
                    // The first one, if two fail at a time.
                    if failure.as_ref().is_none_or(|failure: &Failure| seed < failure.seed) {
                        *failure = Some(Failure { seed, message });
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
        if let Some(failure) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            report(&test, &failure, without);
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
fn fails(test: &impl Fn(SimBuilder), seed: u64, without: &[Fault]) -> Option<String> {
    let builder = SimBuilder::new(seed);
    let builder = without.iter().fold(builder, |builder, fault| builder.without(*fault));
    let panicked = panic::catch_unwind(AssertUnwindSafe(|| test(builder))).err()?;
    Some(match panicked.downcast::<String>() {
        Ok(message) => *message,
        Err(other) => match other.downcast::<&str>() {
            Ok(message) => (*message).to_owned(),
            Err(_) => "a panic without a message".to_owned(),
        },
    })
}

/// Finds out which faults it takes, and says so.
fn report(test: &impl Fn(SimBuilder), failure: &Failure, mut without: Vec<Fault>) -> ! {
    let seed = failure.seed;
    let mut message = failure.message.clone();
    // A run that differs from the first has something in it that no seed decides.
    let Some(again) = fails(test, seed, &without) else {
        panic!(
            "seed {seed} failed, but not when it was repeated: something depends on more than the seed \
             (a clock, threads, the order of a HashMap). It was: {message}"
        );
    };
    let differs = if again == message {
        ""
    } else {
        "\n(repeated, it fails otherwise: something depends on more than the seed)"
    };
    for fault in Fault::ALL {
        if !without.contains(&fault) {
            without.push(fault);
            match fails(test, seed, &without) {
                Some(fails) => message = fails,
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
        "seed {seed} fails: {message}{differs}\n\
         It takes: {takes}. To repeat it:\n    {SEED}={seed}{off} {command}"
    );
}
