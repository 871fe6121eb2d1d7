//! The waits between attempts.

use std::time::Duration;

use super::config::Backoff;

const SHORTEST: Duration = Duration::from_millis(1);

impl Backoff {
    /// The wait after a failure, given the one before it (zero: there was none), without jitter.
    #[doc(hidden)]
    #[must_use]
    pub fn after(&self, last: Duration) -> Duration {
        let next = if last.is_zero() { self.first } else { last.saturating_mul(3) / 2 };
        next.min(self.max).max(SHORTEST)
    }
}

/// Pseudo-random numbers (splitmix64): the same seed, the same waits.
#[derive(Debug)]
pub struct Jitter(u64);

impl Jitter {
    /// Jitter from a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Shortens `wait` by up to `percent` percent.
    pub fn shorten(&mut self, wait: Duration, percent: u8) -> Duration {
        if percent == 0 {
            return wait;
        }
        // The upper half of the number, as a fraction of 1.
        let fraction = (self.next() >> 32) as f64 / (1_u64 << 32) as f64;
        wait.mul_f64(1.0 - fraction * f64::from(percent.min(100)) / 100.0).max(SHORTEST)
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_as_in_aiomas() {
        let backoff = Backoff::default();
        let mut wait = Duration::ZERO;
        let mut waits = Vec::new();
        for _ in 0..13 {
            wait = backoff.after(wait);
            waits.push(wait.as_millis());
        }
        assert_eq!(waits[..5], [500, 750, 1125, 1687, 2531]);
        assert_eq!(waits[10..], [28_832, 30_000, 30_000]);
    }

    #[test]
    fn a_wait_is_never_zero() {
        let backoff =
            Backoff { first: Duration::ZERO, max: Duration::ZERO, jitter_percent: u8::MAX };
        assert_eq!(backoff.after(Duration::ZERO), SHORTEST);
        assert_eq!(backoff.after(Duration::MAX), SHORTEST);
        assert_eq!(Jitter::new(0).shorten(SHORTEST, u8::MAX), SHORTEST);
    }

    #[test]
    fn jitter_shortens_by_up_to_its_percentage_and_is_deterministic() {
        let second = Duration::from_secs(1);
        let waits = |seed| {
            let mut jitter = Jitter::new(seed);
            (0..1000).map(|_| jitter.shorten(second, 20)).collect::<Vec<_>>()
        };
        let some = waits(1);
        assert_eq!(some, waits(1));
        assert_ne!(some, waits(2));
        assert!(some.iter().all(|&wait| wait > second * 8 / 10 && wait <= second));
        assert!(some.iter().any(|&wait| wait < second * 81 / 100));
        assert!(some.iter().any(|&wait| wait > second * 99 / 100));
        // The reference implementation's first number for the seed 0.
        assert_eq!(Jitter::new(0).next(), 0xe220_a839_7b1d_cdaf);
    }
}
