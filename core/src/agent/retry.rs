//! How long and how often to try to open a connection.

use std::time::{Duration, Instant};

/// A policy for opening a connection: the total time, the waits, and the time per attempt.
///
/// The default is how aiomas dials: one attempt; with a longer [limit](Self::limit), more after waits without jitter. A
/// [`Duration`] converts to attempts within that time, with 20 % of jitter: for clients that all lose the same server.
///
/// ```
/// use aiomas_core::agent::{RetryLimit, RetryPolicy};
/// use std::time::Duration;
///
/// let mut policy = RetryPolicy::from(Duration::from_secs(60));
/// policy.dial_timeout = Duration::from_secs(2);
/// assert_eq!(policy.limit, RetryLimit::Within(Duration::from_secs(60)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// The total time limit.
    pub limit: RetryLimit,
    /// The waits between attempts.
    pub backoff: Backoff,
    /// The time limit of an attempt, with all addresses of the host and TLS. Default: 10 s; at least 1 ms.
    pub dial_timeout: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            limit: RetryLimit::Once,
            backoff: Backoff::default(),
            dial_timeout: Duration::from_secs(10),
        }
    }
}

/// Attempts until the limit, as aiomas dials.
impl From<RetryLimit> for RetryPolicy {
    fn from(limit: RetryLimit) -> Self {
        Self { limit, ..Self::default() }
    }
}

/// Attempts within this time, with waits shortened by up to 20 % at random.
impl From<Duration> for RetryPolicy {
    fn from(within: Duration) -> Self {
        let backoff = Backoff { jitter_percent: 20, ..Backoff::default() };
        Self { limit: RetryLimit::Within(within), backoff, ..Self::default() }
    }
}

/// The total time limit for opening a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RetryLimit {
    /// One attempt, bounded by [`RetryPolicy::dial_timeout`]. This is aiomas' `timeout=0`, its default.
    ///
    /// In a container, also one answer of the peer whether the agent exists, bounded by
    /// [`ContainerConfig::validate_timeout`](super::ContainerConfig::validate_timeout).
    #[default]
    Once,
    /// Until this time has passed since the start, even in the middle of an attempt.
    ///
    /// This is aiomas' `timeout=n`, except that aiomas checks the time only after a failed attempt.
    Within(Duration),
    /// Until a connection is open, or the caller or its container ends. This is aiomas' `timeout=None`.
    Forever,
}

/// Attempts within this time.
impl From<Duration> for RetryLimit {
    fn from(within: Duration) -> Self {
        Self::Within(within)
    }
}

impl RetryLimit {
    /// Returns when the limit expires, if ever. `Once` expires at `now`: for callers without an attempt under way.
    pub(super) fn over(self, now: Instant) -> Option<Instant> {
        match self {
            Self::Once => Some(now),
            Self::Within(time) => now.checked_add(time),
            Self::Forever => None,
        }
    }
}

/// The waits between attempts to open a connection. Each wait is half as long again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backoff {
    /// The wait after the first attempt. 0.5 s as in aiomas; at least 1 ms.
    pub first: Duration,
    /// The longest wait. 30 s as in aiomas.
    pub max: Duration,
    /// By up to how many percent a wait is shortened at random. 0 as in aiomas.
    ///
    /// Containers that lost the same peer then do not return at the same moment.
    pub jitter_percent: u8,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first: Duration::from_millis(500), max: Duration::from_secs(30), jitter_percent: 0 }
    }
}

const SHORTEST: Duration = Duration::from_millis(1);

impl Backoff {
    /// Returns the wait after a failure, given the previous wait (zero: none), without jitter.
    #[doc(hidden)]
    #[must_use]
    pub fn after(&self, last: Duration) -> Duration {
        let next = if last.is_zero() { self.first } else { last.saturating_mul(3) / 2 };
        next.min(self.max).max(SHORTEST)
    }
}

/// A generator of pseudo-random numbers (splitmix64): the same seed, the same waits.
#[derive(Debug)]
pub struct Jitter(u64);

impl Jitter {
    /// Creates jitter from a seed.
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
