//! A rate limit for log lines that a peer can cause.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Limits the rate of log lines, and counts the lines left out.
///
/// A peer that misbehaves all the time should not fill a disk.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use aiomas_core::connection::LogRate;
///
/// let mut rate = LogRate::new(2, Duration::from_secs(60));
/// let start = Instant::now();
/// let lines: Vec<_> = (0..5).map(|_| rate.line(start)).collect();
/// assert_eq!(lines, [Some(0), Some(0), None, None, None]);
/// // The next line returns how many were left out before it.
/// assert_eq!(rate.line(start + Duration::from_secs(60)), Some(3));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct LogRate {
    lines: u32,
    per: Duration,
    since: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl LogRate {
    /// The default of this crate: 20 lines a minute.
    pub const DEFAULT: Self = Self::new(20, Duration::from_secs(60));

    /// Allows `lines` in a window of `per`, which begins with a line.
    #[must_use]
    pub const fn new(lines: u32, per: Duration) -> Self {
        Self { lines, per, since: None, written: 0, left_out: 0 }
    }

    /// Requests to write a line at `now`. If allowed, returns how many were left out since the previous line.
    pub fn line(&mut self, now: Instant) -> Option<u64> {
        if self.is_over(now) {
            self.since = Some(now);
            self.written = 0;
        }
        if self.written >= self.lines {
            self.left_out += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.left_out))
    }

    fn is_over(&self, now: Instant) -> bool {
        let since = self.since.and_then(|since| now.checked_duration_since(since));
        since.is_none_or(|time| time >= self.per)
    }
}

/// A [`LogRate`] per peer, for a bounded number of peers. Further peers share one.
#[derive(Debug)]
#[doc(hidden)]
pub struct LogRates<K> {
    each: LogRate,
    rates: BTreeMap<K, LogRate>,
    others: LogRate,
}

/// How many peers have a rate of their own at a time.
const MAX_PEERS: usize = 256;

impl<K: Ord> LogRates<K> {
    #[doc(hidden)]
    pub const fn new(each: LogRate) -> Self {
        Self { each, rates: BTreeMap::new(), others: each }
    }

    /// As [`LogRate::line`], for the peer `key`.
    #[doc(hidden)]
    pub fn line(&mut self, key: K, now: Instant) -> Option<u64> {
        if self.rates.len() >= MAX_PEERS && !self.rates.contains_key(&key) {
            // A peer that was silent for this long is dropped, with its count of lines left out.
            self.rates.retain(|_, rate| !rate.is_over(now));
            if self.rates.len() >= MAX_PEERS {
                return self.others.line(now);
            }
        }
        self.rates.entry(key).or_insert(self.each).line(now)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test needs some instant to start from")]
mod tests {
    use super::*;

    #[test]
    fn each_peer_has_its_lines_and_all_together_a_bound() {
        let start = Instant::now();
        let mut rates = LogRates::new(LogRate::DEFAULT);
        let mut count = |peers: u32, now| {
            let lines = (0..100).flat_map(|_| 0..peers).filter_map(|peer| rates.line(peer, now));
            lines.count()
        };
        assert_eq!(count(2, start), 40);
        assert_eq!(count(2, start), 0);
        assert_eq!(count(1000, start), (MAX_PEERS - 2) * 20 + 20);
        let later = start + Duration::from_secs(60);
        assert_eq!(count(1000, later), MAX_PEERS * 20 + 20);
        // An earlier time belongs to another clock.
        assert!(count(1, start) > 0);
    }

    #[test]
    fn what_was_left_out_is_told_once() {
        let start = Instant::now();
        let mut rate = LogRate::new(1, Duration::from_secs(1));
        assert_eq!([rate.line(start), rate.line(start), rate.line(start)], [Some(0), None, None]);
        let later = start + Duration::from_secs(1);
        assert_eq!([rate.line(later), rate.line(later)], [Some(2), None]);
        assert_eq!(rate.line(later + Duration::from_secs(1)), Some(1));
    }
}
