//! All that is random.

use std::time::Duration;

use crate::delay::Delay;
use crate::fault::{Counts, Fault};

/// Random numbers: all from one seed, those of each fault apart from the others.
#[derive(Debug)]
pub(crate) struct Rng {
    faults: [fastrand::Rng; Fault::ALL.len()],
    /// What the programs themselves are given.
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

    /// Whether something happens that does so with this probability.
    #[inline]
    pub(crate) fn happens(&mut self, fault: Fault, probability: f64) -> bool {
        // Nothing is drawn for what cannot happen, which is the usual case.
        let happens = probability > 0.0
            && self.is_on(fault)
            && self.faults[fault as usize].f64() < probability;
        if happens {
            self.counts.add(fault);
        }
        happens
    }

    /// A number below `end`, which is not 0.
    #[inline]
    pub(crate) fn below(&mut self, fault: Fault, end: usize) -> usize {
        self.faults[fault as usize].usize(..end)
    }

    /// How long it takes; nothing if that is switched off.
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
