//! Clocks of containers, and dates.
//!
//! Nothing here reads a clock or waits. A [`RealClock`] receives the time and returns until when to wait; an
//! [`ExternalClock`] stands still until a program, such as a simulator, sets it.

mod date;
mod external;
mod real;
pub mod timer;
mod when;

use std::time::Instant;

pub use date::{Date, DateError};
pub use external::{ExternalClock, SleepKey};
pub use real::RealClock;
pub use when::When;

/// The clock of a container and its agents. `T` is what waits on an external clock.
#[derive(Debug)]
pub enum Clock<T> {
    /// It follows the system's time and date.
    Real(RealClock),
    /// It is set from outside.
    External(ExternalClock<T>),
}

impl<T> Clock<T> {
    /// The time in seconds. It never goes back.
    #[must_use]
    pub fn time(&self, now: Instant) -> f64 {
        match self {
            Self::Real(clock) => clock.time(now),
            Self::External(clock) => clock.time(),
        }
    }

    /// The date in UTC. It goes back when the system's date does.
    #[must_use]
    pub fn utc_now(&self, now: Instant) -> Date {
        match self {
            Self::Real(clock) => clock.utc_now(now),
            Self::External(clock) => clock.utc_now(),
        }
    }

    /// The clock's time, in seconds, at which a sleep until `when` ends.
    ///
    /// # Errors
    /// [`Past`](ClockError::Past) unless it is after the present time;
    /// [`NotFinite`](ClockError::NotFinite).
    pub fn due(&self, now: Instant, when: impl Into<When>) -> Result<f64, ClockError> {
        when.into().after(self.time(now), self.utc_now(now))
    }
}

impl<T> From<RealClock> for Clock<T> {
    fn from(clock: RealClock) -> Self {
        Self::Real(clock)
    }
}

impl<T> From<ExternalClock<T>> for Clock<T> {
    fn from(clock: ExternalClock<T>) -> Self {
        Self::External(clock)
    }
}

/// A clock cannot be set, or slept on, like that. Where aiomas has an error (`ValueError`), the text
/// is aiomas'.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ClockError {
    /// The clock was set to a time that is not after its time.
    #[error("Time must be > {time} but is {to}")]
    NotForward {
        /// The clock's time in seconds.
        time: f64,
        /// What it was set to.
        to: f64,
    },
    /// The clock is that of the world, which nobody sets.
    #[error("the clock follows the time of the world and cannot be set")]
    NotExternal,
    /// A sleep on an external clock would take no time, or less.
    #[error("dt must be > 0 but is {dt}")]
    NotPositive {
        /// How long to sleep, in seconds.
        dt: f64,
    },
    /// A sleep would end now or earlier.
    #[error("Date \"{when}\" is in the past")]
    Past {
        /// When the sleep was to end.
        when: When,
    },
    /// A time or duration is infinite or not a number.
    #[error("time must be finite but is {0}")]
    NotFinite(f64),
    /// The end of a sleep cannot be expressed as an `Instant`.
    #[error("cannot sleep for {dt} seconds: too long")]
    TooLong {
        /// How long to sleep, in seconds.
        dt: f64,
    },
    /// The clock's time leads to no date.
    #[error(transparent)]
    Date(#[from] DateError),
}

/// Floats are finite here: "later" must mean something.
fn finite(seconds: f64) -> Result<f64, ClockError> {
    if seconds.is_finite() { Ok(seconds) } else { Err(ClockError::NotFinite(seconds)) }
}
