//! The clock that follows the time of the system.

use std::time::{Duration, Instant};

use super::{ClockError, Date, DateError, When, finite};

/// The system's clock: aiomas' `AsyncioClock`. It receives the time as an argument.
///
/// It has two times. [`time`](Self::time) counts seconds as `Instant`s do, and never goes back. The date follows the
/// system's, which steps: when a time server corrects it, when an operator sets it, or when a machine resumes.
/// [`set_date`](Self::set_date) tells the clock; between two of these, the date passes as `Instant`s do.
#[derive(Debug, Clone, Copy)]
pub struct RealClock {
    peer_context: Instant,
    /// The date, and when it was that.
    date: (Instant, Date),
}

impl RealClock {
    /// A clock that shows 0 seconds at `peer_context`, when the date is `start` (which need not be in UTC).
    ///
    /// # Errors
    /// The date in UTC is not within the years 1 to 9999.
    pub fn new(peer_context: Instant, start: Date) -> Result<Self, DateError> {
        Ok(Self { peer_context, date: (peer_context, start.to_utc()?) })
    }

    /// Tells the clock the system's date at `now`, which need not be in UTC.
    ///
    /// # Errors
    /// The date in UTC is not within the years 1 to 9999. Nothing has changed then.
    pub fn set_date(&mut self, now: Instant, date: Date) -> Result<(), DateError> {
        self.date = (now, date.to_utc()?);
        Ok(())
    }

    /// The time in seconds since the origin.
    #[must_use]
    pub fn time(&self, now: Instant) -> f64 {
        now.saturating_duration_since(self.peer_context).as_secs_f64()
    }

    /// The date in UTC, which ends at [`Date::MAX`].
    #[must_use]
    pub fn utc_now(&self, now: Instant) -> Date {
        let (at, date) = self.date;
        date.shift(now.saturating_duration_since(at).as_secs_f64()).unwrap_or(Date::MAX)
    }

    /// When a sleep of `dt` seconds ends. As with asyncio, a sleep of no time, or less, ends at once.
    ///
    /// # Errors
    /// [`NotFinite`](ClockError::NotFinite), [`TooLong`](ClockError::TooLong).
    pub fn sleep(&self, now: Instant, dt: f64) -> Result<Instant, ClockError> {
        Duration::try_from_secs_f64(finite(dt)?.max(0.0))
            .ok()
            .and_then(|dt| now.checked_add(dt))
            .ok_or(ClockError::TooLong { dt })
    }

    /// When a sleep until a time in seconds (`f64`) or a [`Date`] ends. If the date steps, a sleep until a date ends at
    /// another time: ask again after [`set_date`](Self::set_date).
    ///
    /// # Errors
    /// [`Past`](ClockError::Past) unless that is after now; [`NotFinite`](ClockError::NotFinite),
    /// [`TooLong`](ClockError::TooLong).
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
        let peer_context = Instant::now();
        (
            RealClock::new(peer_context, "2020-01-01T01:00:00+01:00".parse().unwrap()).unwrap(),
            peer_context,
        )
    }

    #[test]
    fn shows_what_has_passed_since_its_origin() {
        let (clock, peer_context) = clock();
        let now = peer_context + SECOND * 90;
        assert_eq!((clock.time(peer_context), clock.time(now)), (0.0, 90.0));
        assert_eq!(clock.utc_now(now).to_string(), "2020-01-01T00:01:30+00:00");
        let (clock, earlier) = (RealClock { peer_context: now, ..clock }, peer_context);
        assert_eq!(clock.time(earlier), 0.0);
    }

    #[test]
    fn the_date_steps_and_the_time_does_not() {
        let (mut clock, peer_context) = clock();
        let now = peer_context + SECOND * 10;
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
        let (clock, peer_context) = clock();
        let clock = RealClock { date: (peer_context, Date::MAX), ..clock };
        assert_eq!(clock.utc_now(peer_context + SECOND), Date::MAX);
    }

    #[test]
    fn says_when_sleeps_end() {
        let (clock, peer_context) = clock();
        let now = peer_context + SECOND * 10;
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
