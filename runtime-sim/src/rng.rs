//! Random numbers.

use std::time::Duration;

use crate::delay::Delay;
use crate::fault::{Counts, Fault};

/// Random numbers from one seed, with a separate generator for each fault.
#[derive(Debug)]
pub(crate) struct Rng {
    faults: [fastrand::Rng; Fault::ALL.len()],
    /// The generator whose numbers programs receive.
    programs: fastrand::Rng,
    on: [bool; Fault::ALL.len()],
    /// No new faults for now.
    calm: bool,
    pub(crate) counts: Counts,
}

impl Rng {
    pub(crate) fn new(seed: u64, without: &[Fault]) -> Self {
        let mut seeds = fastrand::Rng::with_seed(seed);
        Self {
            faults: std::array::from_fn(|_| fastrand::Rng::with_seed(seeds.u64(..))),
            programs: fastrand::Rng::with_seed(seeds.u64(..)),
            on: std::array::from_fn(|index| !without.contains(&Fault::ALL[index])),
            calm: false,
            counts: Counts::default(),
        }
    }

    pub(crate) const fn is_on(&self, fault: Fault) -> bool {
        let is_harmless = matches!(fault, Fault::Order | Fault::Latency | Fault::Bandwidth);
        self.on[fault as usize] && (is_harmless || !self.calm)
    }

    pub(crate) const fn set_calm(&mut self, calm: bool) {
        self.calm = calm;
    }

    /// Draws whether an event with this probability happens.
    #[inline]
    pub(crate) fn happens(&mut self, fault: Fault, probability: f64) -> bool {
        // Impossible events, the usual case, draw no number.
        let happens = probability > 0.0
            && self.is_on(fault)
            && self.faults[fault as usize].f64() < probability;
        if happens {
            self.counts.add(fault);
        }
        happens
    }

    /// Draws a number below `end`, which is not 0.
    #[inline]
    pub(crate) fn below(&mut self, fault: Fault, end: usize) -> usize {
        self.faults[fault as usize].usize(..end)
    }

    /// Draws a delay. A fault that is switched off has no delay.
    #[inline]
    pub(crate) fn time(&mut self, fault: Fault, delay: &Delay) -> Duration {
        if delay.is_zero() || !self.is_on(fault) {
            return Duration::ZERO;
        }
        delay.draw(&mut self.faults[fault as usize])
    }

    pub(crate) fn seed(&mut self) -> u64 {
        self.programs.u64(..)
    }
}
