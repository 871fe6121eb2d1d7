//! The backoff of a reconnecting connection.

use std::time::{Duration, Instant};

use aiomas_core::agent::Backoff;
use aiomas_core::internal::Jitter;

/// A policy's backoff, carried from one search to the next. A short-lived connection does not count as a success:
/// otherwise a peer that accepts and drops connections would be dialled without a pause.
#[derive(Debug)]
pub(super) struct RedialBackoff {
    backoff: Backoff,
    jitter: Jitter,
    /// When the last search ended.
    ended: Instant,
    /// When the last search started or ended.
    last: Instant,
    wait: Duration,
}

impl RedialBackoff {
    pub(super) const fn new(backoff: Backoff, seed: u64, now: Instant) -> Self {
        Self { backoff, jitter: Jitter::new(seed), ended: now, last: now, wait: Duration::ZERO }
    }

    /// Records the end of a search.
    pub(super) const fn ended(&mut self, now: Instant) {
        self.ended = now;
        self.last = now;
    }

    /// Returns when the next search, limited to `within`, dials first. That is at once if the last search was long ago.
    pub(super) fn next(&mut self, now: Instant, within: Duration) -> Instant {
        if now.saturating_duration_since(self.last) >= self.backoff.max {
            self.wait = Duration::ZERO;
        }
        self.last = now;
        let wait = self.jitter.shorten(self.wait, self.backoff.jitter_percent);
        let wait = if self.wait.is_zero() { self.wait } else { wait.min(within / 2) };
        self.wait = self.backoff.after(self.wait);
        self.ended.checked_add(wait).unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_that_do_not_last_are_dialled_for_less_and_less_often() {
        let start = Instant::now();
        let (second, long) = (Duration::from_secs(1), Duration::from_secs(3600));
        let mut backoff = RedialBackoff::new(Backoff::default(), 0, start);
        assert_eq!(backoff.next(start, long), start, "at once");
        assert_eq!(backoff.next(start, long), start + second / 2);
        assert_eq!(backoff.next(start, long), start + second * 3 / 4);
        backoff.ended(start + second);
        assert_eq!(
            backoff.next(start + second, second),
            start + second * 3 / 2,
            "half of the time"
        );
        assert!(backoff.next(start + second * 9, long) < start + second * 9, "at once");
        for _ in 0..20 {
            backoff.next(start + second, long);
        }
        let now = start + second;
        assert_eq!(backoff.next(now, long), now + Backoff::default().max);
        let later = now + Backoff::default().max;
        assert!(backoff.next(later, long) <= later, "it has lasted");
        assert_eq!(backoff.next(later, long), now + second / 2);
    }
}
