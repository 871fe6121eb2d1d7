//! Clocks of containers, and dates.
//!
//! This module neither reads the wall clock nor waits. A [`RealClock`] receives the time and returns the end of
//! each sleep; an [`ExternalClock`] stands still until a program, such as a simulator, sets it.

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

/// The clock of a container and its agents. `T` is the item that waits on an external clock.
#[derive(Debug)]
pub enum Clock<T> {
    /// A clock that follows the system's time and date.
    Real(RealClock),
    /// A clock that the program sets.
    External(ExternalClock<T>),
}

impl<T> Clock<T> {
    /// Returns the time in seconds. It never goes back.
    #[must_use]
    pub fn time(&self, now: Instant) -> f64 {
        match self {
            Self::Real(clock) => clock.time(now),
            Self::External(clock) => clock.time(),
        }
    }

    /// Returns the date in UTC. It goes back when the system's date does.
    #[must_use]
    pub fn utc_now(&self, now: Instant) -> Date {
        match self {
            Self::Real(clock) => clock.utc_now(now),
            Self::External(clock) => clock.utc_now(),
        }
    }

    /// Returns the time in seconds at which a sleep until `when` ends.
    ///
    /// # Errors
    /// Returns [`Past`](ClockError::Past) if `when` is not after the present time, and
    /// [`NotFinite`](ClockError::NotFinite) if it is not finite.
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

/// An error of setting a clock, or of sleeping on it.
///
/// The texts of errors that aiomas raises as well (`ValueError`) are those of aiomas.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ClockError {
    /// The new time is not after the clock's time.
    #[error("Time must be > {time} but is {to}")]
    NotForward {
        /// The clock's time in seconds.
        time: f64,
        /// The rejected time in seconds.
        to: f64,
    },
    /// The clock follows the system's time and cannot be set.
    #[error("the clock follows the system's time and cannot be set")]
    NotExternal,
    /// The duration of a sleep on an external clock is not positive.
    #[error("dt must be > 0 but is {dt}")]
    NotPositive {
        /// The duration of the sleep in seconds.
        dt: f64,
    },
    /// A sleep would end now or earlier.
    #[error("Date \"{when}\" is in the past")]
    Past {
        /// The requested end of the sleep.
        when: When,
    },
    /// A time or duration is infinite or not a number.
    #[error("time must be finite but is {0}")]
    NotFinite(f64),
    /// The end of a sleep does not fit into an `Instant`.
    #[error("cannot sleep for {dt} seconds: too long")]
    TooLong {
        /// The duration of the sleep in seconds.
        dt: f64,
    },
    /// The clock's time corresponds to no valid date.
    #[error(transparent)]
    Date(#[from] DateError),
}

/// Checks that a float is finite: otherwise "later" would have no meaning.
fn finite(seconds: f64) -> Result<f64, ClockError> {
    if seconds.is_finite() { Ok(seconds) } else { Err(ClockError::NotFinite(seconds)) }
}
