//! The real clock, which follows the system's time.

use std::time::{Duration, Instant};

use super::{ClockError, Date, DateError, When, finite};

/// A clock that follows the system's time: aiomas' `AsyncioClock`.
///
/// It receives the time as an argument, and has two readings. [`time`](Self::time) counts seconds as `Instant`s do, and
/// never goes back. The date follows the system's date, which steps when a time server corrects it, an operator sets
/// it, or the machine resumes. [`set_date`](Self::set_date) reports the system's date; between two reports, the date
/// advances as `Instant`s do.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// use aiomas_core::clock::RealClock;
///
/// let start = Instant::now();
/// let clock = RealClock::new(start, "2026-01-01T00:00:00Z".parse()?)?;
/// let later = start + Duration::from_secs(90);
/// assert_eq!(clock.time(later), 90.0);
/// assert_eq!(clock.utc_now(later).to_string(), "2026-01-01T00:01:30+00:00");
/// assert_eq!(clock.sleep(later, 5.0)?, later + Duration::from_secs(5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct RealClock {
    origin: Instant,
    /// The last reported date, and the instant of the report.
    date: (Instant, Date),
}

impl RealClock {
    /// Creates a clock that shows 0 seconds and the date `start` at `origin`.
    ///
    /// `start` need not be in UTC.
    ///
    /// # Errors
    /// Returns [`DateError::OutOfRange`] if the date in UTC is not within the years 1 to 9999.
    pub fn new(origin: Instant, start: Date) -> Result<Self, DateError> {
        Ok(Self { origin, date: (origin, start.to_utc()?) })
    }

    /// Reports the system's date at `now`, which need not be in UTC.
    ///
    /// # Errors
    /// Returns [`DateError::OutOfRange`] if the date in UTC is not within the years 1 to 9999. The clock is then
    /// unchanged.
    pub fn set_date(&mut self, now: Instant, date: Date) -> Result<(), DateError> {
        self.date = (now, date.to_utc()?);
        Ok(())
    }

    /// Returns the time in seconds since the clock was created.
    #[must_use]
    pub fn time(&self, now: Instant) -> f64 {
        now.saturating_duration_since(self.origin).as_secs_f64()
    }

    /// Returns the date in UTC, at most [`Date::MAX`].
    #[must_use]
    pub fn utc_now(&self, now: Instant) -> Date {
        let (at, date) = self.date;
        date.shift(now.saturating_duration_since(at).as_secs_f64()).unwrap_or(Date::MAX)
    }

    /// Returns the instant at which a sleep of `dt` seconds ends.
    ///
    /// As with asyncio, a sleep of zero or negative duration ends at once.
    ///
    /// # Errors
    /// Returns [`NotFinite`](ClockError::NotFinite) if `dt` is not finite, and [`TooLong`](ClockError::TooLong) if the
    /// end does not fit into an `Instant`.
    pub fn sleep(&self, now: Instant, dt: f64) -> Result<Instant, ClockError> {
        Duration::try_from_secs_f64(finite(dt)?.max(0.0))
            .ok()
            .and_then(|dt| now.checked_add(dt))
            .ok_or(ClockError::TooLong { dt })
    }

    /// Returns the instant at which a sleep until `when` ends.
    ///
    /// `when` is a time in seconds (`f64`) or a [`Date`]. When the date steps, a sleep until a date ends at a different
    /// instant: call this method again after [`set_date`](Self::set_date).
    ///
    /// # Errors
    /// - [`Past`](ClockError::Past) if `when` is not after now;
    /// - [`NotFinite`](ClockError::NotFinite) if `when` is not finite;
    /// - [`TooLong`](ClockError::TooLong) if the end does not fit into an `Instant`.
    pub fn sleep_until(&self, now: Instant, when: impl Into<When>) -> Result<Instant, ClockError> {
        let time = self.time(now);
        let due = when.into().after(time, self.utc_now(now))?;
        self.sleep(now, due - time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    const SECOND: Duration = Duration::from_secs(1);

    #[allow(clippy::disallowed_methods, reason = "an instant comes from nowhere else")]
    fn clock() -> (RealClock, Instant) {
        let origin = Instant::now();
        (RealClock::new(origin, "2020-01-01T01:00:00+01:00".parse().unwrap()).unwrap(), origin)
    }

    #[test]
    fn shows_what_has_passed_since_its_origin() {
        let (clock, origin) = clock();
        let now = origin + SECOND * 90;
        assert_eq!((clock.time(origin), clock.time(now)), (0.0, 90.0));
        assert_eq!(clock.utc_now(now).to_string(), "2020-01-01T00:01:30+00:00");
        let (clock, earlier) = (RealClock { origin: now, ..clock }, origin);
        assert_eq!(clock.time(earlier), 0.0);
    }

    #[test]
    fn the_date_steps_and_the_time_does_not() {
        let (mut clock, origin) = clock();
        let now = origin + SECOND * 10;
        let due: Date = "2020-01-01T00:00:12Z".parse().unwrap();
        for (date, wait) in [("2020-01-01T00:00:11Z", 1), ("2019-12-31T23:00:00Z", 3612)] {
            clock.set_date(now, date.parse().unwrap()).unwrap();
            assert_eq!((clock.time(now), clock.utc_now(now)), (10.0, date.parse().unwrap()));
            assert_eq!(clock.sleep_until(now, due), Ok(now + SECOND * wait));
            assert_eq!(clock.sleep_until(now, 12.0), Ok(now + SECOND * 2));
        }
        clock.set_date(now, "2020-01-01T02:00:00+01:00".parse().unwrap()).unwrap();
        assert_eq!(clock.utc_now(now + SECOND).to_string(), "2020-01-01T01:00:01+00:00");
        assert_eq!(clock.sleep_until(now, due), Err(ClockError::Past { when: due.into() }));
    }

    #[test]
    fn the_date_ends_with_the_year_9999() {
        let (clock, origin) = clock();
        let clock = RealClock { date: (origin, Date::MAX), ..clock };
        assert_eq!(clock.utc_now(origin + SECOND), Date::MAX);
    }

    #[test]
    fn says_when_sleeps_end() {
        let (clock, origin) = clock();
        let now = origin + SECOND * 10;
        let date: Date = "2020-01-01T00:00:12Z".parse().unwrap();
        assert_eq!(clock.sleep(now, 2.5), Ok(now + SECOND * 5 / 2));
        assert_eq!(clock.sleep(now, 0.0), Ok(now));
        assert_eq!(clock.sleep(now, -1.0), Ok(now));
        assert_eq!(clock.sleep_until(now, 12.0), Ok(now + SECOND * 2));
        assert_eq!(clock.sleep_until(now, date), Ok(now + SECOND * 2));
        assert_eq!(Clock::<()>::from(clock).due(now, date), Ok(12.0));

        assert_eq!(clock.sleep_until(now, 10.0), Err(ClockError::Past { when: 10.0.into() }));
        let later = now + SECOND * 2;
        assert_eq!(clock.sleep_until(later, date), Err(ClockError::Past { when: date.into() }));
        assert_eq!(clock.sleep(now, 1e300), Err(ClockError::TooLong { dt: 1e300 }));
        assert!(matches!(clock.sleep(now, f64::NAN), Err(ClockError::NotFinite(_))));
        assert!(matches!(clock.sleep_until(now, f64::INFINITY), Err(ClockError::NotFinite(_))));
    }
}
