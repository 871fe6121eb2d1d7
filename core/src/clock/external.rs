//! The external clock, which a program sets.

use std::cmp::Ordering;

use super::timer::{TimerKey, TimerQueue};
use super::{ClockError, Date, When, finite};

/// A clock that stands still until a program sets it, for simulations.
///
/// It is aiomas' `ExternalClock`, and holds the items that wait for a time. After [`set_time`](Self::set_time), call
/// [`expired`](Self::expired) until it returns `None`. aiomas' `call_in` and `call_at` are [`sleep`](Self::sleep) and
/// [`sleep_until`](Self::sleep_until) with a call as the item.
///
/// ```
/// use aiomas_core::clock::ExternalClock;
///
/// let mut clock = ExternalClock::new("2026-01-01T00:00:00Z".parse()?, 0.0)?;
/// clock.sleep(1.5, "later")?;
/// clock.sleep(0.5, "sooner")?;
/// clock.set_time(1.0)?;
/// assert_eq!(clock.expired(), Some("sooner"));
/// assert_eq!(clock.expired(), None);
/// assert_eq!(clock.next(), Some(1.5));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ExternalClock<T> {
    start: Date,
    time: f64,
    utc_now: Date,
    sleepers: TimerQueue<Seconds, T>,
}

/// The key of a sleeping item, for [`ExternalClock::cancel`]. A stale key finds no item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SleepKey(TimerKey<Seconds>);

impl<T> ExternalClock<T> {
    /// Creates a clock that shows `init_time` seconds, usually 0.
    ///
    /// `start` is the date at time 0, which need not be in UTC.
    ///
    /// # Errors
    /// Returns [`NotFinite`](ClockError::NotFinite) if `init_time` is not finite, and [`Date`](ClockError::Date) if the
    /// date in UTC, at time 0 or at `init_time`, is not within the years 1 to 9999.
    pub fn new(start: Date, init_time: f64) -> Result<Self, ClockError> {
        let start = start.to_utc()?;
        let utc_now = start.shift(finite(init_time)?)?;
        Ok(Self { start, time: init_time, utc_now, sleepers: TimerQueue::new() })
    }

    /// Returns the time in seconds.
    #[must_use]
    pub const fn time(&self) -> f64 {
        self.time
    }

    /// Returns the date in UTC: the start date plus [`time`](Self::time).
    #[must_use]
    pub const fn utc_now(&self) -> Date {
        self.utc_now
    }

    /// Moves the clock forward to `time`.
    ///
    /// # Errors
    /// The clock does not change if this returns an error:
    ///
    /// - [`NotForward`](ClockError::NotForward) if `time` is not after the clock's time;
    /// - [`NotFinite`](ClockError::NotFinite) if `time` is not finite;
    /// - [`Date`](ClockError::Date) if the date is past the year 9999.
    pub fn set_time(&mut self, time: f64) -> Result<(), ClockError> {
        if finite(time)? <= self.time {
            return Err(ClockError::NotForward { time: self.time, to: time });
        }
        self.utc_now = self.start.shift(time)?;
        self.time = time;
        Ok(())
    }

    /// Returns the time in seconds at which a sleep of `dt` seconds ends.
    ///
    /// # Errors
    /// - [`NotPositive`](ClockError::NotPositive) if `dt` is not positive;
    /// - [`Past`](ClockError::Past) if `dt` is too small to change the clock's time;
    /// - [`NotFinite`](ClockError::NotFinite) if `dt` is not finite.
    pub fn due_in(&self, dt: f64) -> Result<f64, ClockError> {
        if finite(dt)? <= 0.0 {
            return Err(ClockError::NotPositive { dt });
        }
        self.due(self.time + dt)
    }

    /// Returns the time in seconds at which a sleep until `when` ends.
    ///
    /// `when` is a time in seconds (`f64`) or a [`Date`].
    ///
    /// # Errors
    /// Returns [`Past`](ClockError::Past) if `when` is not after the clock's time, and
    /// [`NotFinite`](ClockError::NotFinite) if it is not finite.
    pub fn due(&self, when: impl Into<When>) -> Result<f64, ClockError> {
        when.into().after(self.time, self.utc_now)
    }

    /// Lets `item` sleep for `dt` seconds.
    ///
    /// # Errors
    /// As for [`due_in`](Self::due_in).
    pub fn sleep(&mut self, dt: f64, item: T) -> Result<SleepKey, ClockError> {
        self.due_in(dt).map(|due| self.wait(due, item))
    }

    /// Lets `item` sleep until a time in seconds (`f64`) or a [`Date`].
    ///
    /// # Errors
    /// As for [`due`](Self::due).
    pub fn sleep_until(&mut self, when: impl Into<When>, item: T) -> Result<SleepKey, ClockError> {
        self.due(when).map(|due| self.wait(due, item))
    }

    fn wait(&mut self, due: f64, item: T) -> SleepKey {
        SleepKey(self.sleepers.insert(Seconds::new(due), item))
    }

    /// Removes and returns an item that is waiting, or is due but not yet taken.
    pub fn cancel(&mut self, key: SleepKey) -> Option<T> {
        self.sleepers.cancel(key.0)
    }

    /// Returns the time in seconds at which the first item is due.
    #[must_use]
    pub fn next(&self) -> Option<f64> {
        self.sleepers.next().map(|due| due.0)
    }

    /// Takes the next item that is due.
    ///
    /// Items come in the order of their times; items of equal times in the order in which they fell asleep.
    pub fn expired(&mut self) -> Option<T> {
        self.sleepers.expire(Seconds::new(self.time)).map(|(_, item)| item)
    }
}

/// A finite number of seconds. Zero has one sign.
#[derive(Debug, Clone, Copy)]
struct Seconds(f64);

impl Seconds {
    fn new(seconds: f64) -> Self {
        Self(seconds + 0.0)
    }
}

impl Ord for Seconds {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Seconds {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Seconds {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Seconds {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock::DateError;

    fn clock(init_time: f64) -> ExternalClock<&'static str> {
        ExternalClock::new("2020-01-01T01:00:00+01:00".parse().unwrap(), init_time).unwrap()
    }

    fn expired(clock: &mut ExternalClock<&'static str>) -> Vec<&'static str> {
        std::iter::from_fn(|| clock.expired()).collect()
    }

    #[test]
    fn shows_the_start_date_in_utc_plus_its_time() {
        let mut clock = clock(0.5);
        assert_eq!(clock.utc_now().to_string(), "2020-01-01T00:00:00.500000+00:00");
        clock.set_time(60.0).unwrap();
        assert_eq!(clock.time(), 60.0);
        assert_eq!(clock.utc_now().to_string(), "2020-01-01T00:01:00+00:00");
    }

    #[test]
    fn moves_forward_only() {
        let mut clock = clock(5.0);
        for time in [5.0, 4.9, -1.0] {
            let error = clock.set_time(time).unwrap_err();
            assert_eq!(error.to_string(), format!("Time must be > 5 but is {time}"));
        }
        for time in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(matches!(clock.set_time(time), Err(ClockError::NotFinite(_))));
        }
        let year_10000 = ClockError::Date(DateError::OutOfRange { part: "year" });
        assert_eq!(clock.set_time(1e12), Err(year_10000));
        assert_eq!(clock.set_time(1e300), Err(year_10000));
        assert_eq!(clock.time(), 5.0);
        assert_eq!(clock.utc_now().to_string(), "2020-01-01T00:00:05+00:00");
    }

    #[test]
    fn a_clock_starts_only_with_a_date() {
        let start = |text: &str, time| ExternalClock::<()>::new(text.parse().unwrap(), time);
        assert!(matches!(start("2020-01-01", f64::NAN), Err(ClockError::NotFinite(_))));
        assert!(matches!(start("2020-01-01", 1e300), Err(ClockError::Date(_))));
        assert!(matches!(start("0001-01-01T00:00:00+01:00", 0.0), Err(ClockError::Date(_))));
        assert_eq!(start("2020-01-01", -1.0).unwrap().time(), -1.0);
    }

    #[test]
    fn sleepers_wake_by_time_then_in_the_order_of_falling_asleep() {
        let mut clock = clock(0.0);
        let date = |text: &str| -> Date { text.parse().unwrap() };
        clock.sleep(20.0, "20").unwrap();
        clock.sleep(10.0, "10a").unwrap();
        clock.sleep_until(10.0, "10b").unwrap();
        clock.sleep_until(date("2020-01-01T02:00:15+02:00"), "15").unwrap();
        clock.sleep_until(date("2020-01-01T00:00:10Z"), "10c").unwrap();
        assert_eq!(clock.next(), Some(10.0));
        assert_eq!(expired(&mut clock), [""; 0]);

        clock.set_time(9.999).unwrap();
        assert_eq!(expired(&mut clock), [""; 0]);
        clock.set_time(10.0).unwrap();
        assert_eq!(expired(&mut clock), ["10a", "10b", "10c"]);
        clock.set_time(30.0).unwrap();
        assert_eq!(expired(&mut clock), ["15", "20"]);
        assert_eq!(clock.next(), None);
    }

    #[test]
    fn sleeps_end_in_the_future() {
        let mut clock = clock(5.0);
        let mut sleep = |dt| clock.sleep(dt, "").map_err(|e| e.to_string());
        assert_eq!(sleep(0.0), Err("dt must be > 0 but is 0".into()));
        assert_eq!(sleep(-0.5), Err("dt must be > 0 but is -0.5".into()));
        assert_eq!(sleep(1e-20), Err("Date \"5\" is in the past".into()));
        assert_eq!(sleep(f64::NAN), Err("time must be finite but is NaN".into()));

        let date: Date = "2020-01-01T00:00:05Z".parse().unwrap();
        let now = ClockError::Past { when: date.into() };
        assert_eq!(now.to_string(), "Date \"2020-01-01T00:00:05+00:00\" is in the past");
        assert_eq!(clock.sleep_until(date, ""), Err(now));
        assert_eq!(clock.sleep_until(5.0, ""), Err(ClockError::Past { when: 5.0.into() }));
        assert!(matches!(clock.sleep_until(f64::NAN, ""), Err(ClockError::NotFinite(_))));
        assert!(matches!(clock.sleep_until(f64::INFINITY, ""), Err(ClockError::NotFinite(_))));

        clock.set_time(1e9).unwrap();
        assert!(matches!(clock.sleep(f64::INFINITY, ""), Err(ClockError::NotFinite(_))));
        assert_eq!(expired(&mut clock), [""; 0]);
    }

    #[test]
    fn sleepers_can_be_cancelled_once() {
        let mut clock = clock(0.0);
        let a = clock.sleep(1.0, "a").unwrap();
        let b = clock.sleep(1.0, "b").unwrap();
        assert_eq!(clock.cancel(a), Some("a"));
        clock.set_time(2.0).unwrap();
        assert_eq!(expired(&mut clock), ["b"]);
        assert_eq!((clock.cancel(a), clock.cancel(b)), (None, None));
    }

    #[test]
    fn zero_is_zero_whatever_its_sign() {
        let mut clock = clock(-1.0);
        clock.sleep_until(0.0, "0").unwrap();
        clock.sleep_until(-0.0, "-0").unwrap();
        clock.set_time(-0.0).unwrap();
        assert_eq!(expired(&mut clock), ["0", "-0"]);
    }

    /// A sleeper and its expected state.
    #[derive(Clone, Copy, Debug)]
    struct Sleeper {
        due: f64,
        key: SleepKey,
        over: bool,
    }

    proptest! {
        /// The clock behaves like a plain list, searched from the front.
        ///
        /// Times are multiples of 0.25 s, which are exact in floating point.
        #[test]
        fn behaves_like_a_list(
            start in -40..40_i8,
            steps in prop::collection::vec((0..6_u8, -10..40_i8, any::<prop::sample::Index>()), 0..120),
        ) {
            let seconds = |quarters: i8| f64::from(quarters) / 4.0;
            let date = |time: f64| clock(0.0).utc_now().shift(time).unwrap();
            let mut time = seconds(start);
            let mut clock = ExternalClock::new(date(0.0), time).unwrap();
            let mut list: Vec<Sleeper> = Vec::new();
            for (step, quarters, index) in steps {
                let (dt, item) = (seconds(quarters), list.len());
                let slept = match step {
                    0 => {
                        let set = clock.set_time(time + dt);
                        prop_assert_eq!(set.is_ok(), dt > 0.0);
                        time += dt.max(0.0);
                        None
                    }
                    1 if !list.is_empty() => {
                        let nth = index.index(list.len());
                        let over = std::mem::replace(&mut list[nth].over, true);
                        prop_assert_eq!(clock.cancel(list[nth].key), (!over).then_some(nth));
                        None
                    }
                    1 => None,
                    2 => {
                        let due = list.iter().enumerate().filter(|(_, s)| !s.over && s.due <= time);
                        let first = due.min_by(|a, b| a.1.due.total_cmp(&b.1.due));
                        let first = first.map(|(nth, _)| nth);
                        prop_assert_eq!(clock.expired(), first);
                        first.into_iter().for_each(|nth| list[nth].over = true);
                        None
                    }
                    3 => Some(clock.sleep(dt, item)),
                    4 => Some(clock.sleep_until(time + dt, item)),
                    _ => Some(clock.sleep_until(date(time + dt), item)),
                };
                if let Some(slept) = slept {
                    prop_assert_eq!(slept.is_ok(), dt > 0.0, "{:?}", slept);
                    list.extend(slept.map(|key| Sleeper { due: time + dt, key, over: false }));
                }
                prop_assert_eq!((clock.time(), clock.utc_now()), (time, date(time)));
                let waiting = list.iter().filter(|sleeper| !sleeper.over);
                let next = waiting.map(|sleeper| sleeper.due).min_by(f64::total_cmp);
                prop_assert_eq!(clock.next(), next);
            }
        }
    }
}
