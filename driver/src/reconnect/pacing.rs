//! How soon a line dials again.

use std::time::{Duration, Instant};

use aiomas_core::agent::Backoff;
use aiomas_core::internal::Jitter;

/// Keeps lines from pestering a peer that takes connections and drops them: a connection that is lost soon is no
/// success.
#[derive(Debug)]
pub(super) struct Pacing {
    backoff: Backoff,
    jitter: Jitter,
    /// When the last search ended.
    ended: Instant,
    /// When the last one was begun, or ended.
    last: Instant,
    wait: Duration,
}

impl Pacing {
    pub(super) const fn new(backoff: Backoff, seed: u64, now: Instant) -> Self {
        Self { backoff, jitter: Jitter::new(seed), ended: now, last: now, wait: Duration::ZERO }
    }

    /// A search has ended.
    pub(super) const fn ended(&mut self, now: Instant) {
        self.ended = now;
        self.last = now;
    }

    /// When the next search, which may take so long, dials first. That is at once if the last one was long ago.
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
        let mut pacing = Pacing::new(Backoff::default(), 0, start);
        assert_eq!(pacing.next(start, long), start, "at once");
        assert_eq!(pacing.next(start, long), start + second / 2);
        assert_eq!(pacing.next(start, long), start + second * 3 / 4);
        pacing.ended(start + second);
        assert_eq!(pacing.next(start + second, second), start + second * 3 / 2, "half of the time");
        assert!(pacing.next(start + second * 9, long) < start + second * 9, "at once");
        for _ in 0..20 {
            pacing.next(start + second, long);
        }
        let now = start + second;
        assert_eq!(pacing.next(now, long), now + Backoff::default().max);
        let later = now + Backoff::default().max;
        assert!(pacing.next(later, long) <= later, "it has lasted");
        assert_eq!(pacing.next(later, long), now + second / 2);
    }
}
