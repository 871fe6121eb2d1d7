//! The clock of a container, whichever it is.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use super::Error;
use super::host::{Host, sleep_until};
use super::lock::lock;
use super::waits;
use crate::clock::{self, ClockError, Date, ExternalClock, RealClock, SleepKey, When};

/// The clock of a container and its agents: that of the world, or one that is set from outside.
///
/// Agents need not know which it is. Cloning it is cheap; all clones show the same time.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

struct Inner {
    host: Arc<dyn Host>,
    clock: Mutex<clock::Clock<Sleeper>>,
}

/// Who sleeps on an external clock.
type Sleeper = Arc<Mutex<Nap>>;

#[derive(Debug, Default)]
struct Nap {
    over: bool,
    waker: Option<Waker>,
}

impl Clock {
    /// The clock of the world, which shows 0 seconds now.
    pub(super) fn real(host: Arc<dyn Host>) -> Self {
        let date = Date::from_unix(host.since_epoch().as_secs_f64()).unwrap_or(Date::MAX);
        let now = host.now();
        // A date in UTC, as this one is, always makes a clock.
        let clock = RealClock::new(now, date).or_else(|_| RealClock::new(now, Date::MAX));
        match clock {
            Ok(clock) => Self::new(host, clock.into()),
            Err(_) => unreachable!("the last date is within the range of dates"),
        }
    }

    fn new(host: Arc<dyn Host>, clock: clock::Clock<Sleeper>) -> Self {
        Self(Arc::new(Inner { host, clock: Mutex::new(clock) }))
    }

    /// A clock that stands still until it is set.
    pub(super) fn external(
        host: Arc<dyn Host>,
        start: Date,
        init_time: f64,
    ) -> Result<Self, ClockError> {
        Ok(Self::new(host, ExternalClock::new(start, init_time)?.into()))
    }

    /// The time in seconds. It never goes back.
    #[must_use]
    pub fn time(&self) -> f64 {
        lock(&self.0.clock).time(self.0.host.now())
    }

    /// The date in UTC (aiomas' `utcnow`).
    #[must_use]
    pub fn utc_now(&self) -> Date {
        lock(&self.0.clock).utc_now(self.0.host.now())
    }

    /// Sets an external clock to a later time, in seconds, and wakes who has slept until then.
    ///
    /// # Errors
    /// [`Error::Clock`]: the time is not after the present one, or not finite, or the clock is that of the
    /// world.
    pub fn set_time(&self, time: f64) -> Result<(), Error> {
        let sleepers: Vec<_> = {
            let mut clock = lock(&self.0.clock);
            let clock::Clock::External(clock) = &mut *clock else {
                return Err(ClockError::NotExternal.into());
            };
            clock.set_time(time)?;
            std::iter::from_fn(|| clock.expired()).collect()
        };
        for sleeper in sleepers {
            let waker = {
                let mut nap = lock(&sleeper);
                nap.over = true;
                nap.waker.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        }
        Ok(())
    }

    /// Waits for `dt` seconds. On an external clock somebody has to set it meanwhile.
    ///
    /// # Errors
    /// [`Error::Clock`]: `dt` is not finite, or not positive on an external clock, or too long.
    ///
    /// # Cancel safety
    /// Dropping the future ends the sleep. It begins when the future is polled first.
    pub async fn sleep(&self, dt: f64) -> Result<(), Error> {
        self.wait(|clock, now| clock.sleep(now, dt), |clock, sleeper| clock.sleep(dt, sleeper))
            .await
    }

    /// Waits until a time in seconds or a [`Date`].
    ///
    /// # Errors
    /// [`Error::Clock`]: that is not after the present time, or not finite, or too far away.
    ///
    /// # Cancel safety
    /// As [`sleep`](Self::sleep).
    pub async fn sleep_until(&self, when: impl Into<When>) -> Result<(), Error> {
        let when = when.into();
        self.wait(
            |clock, now| clock.sleep_until(now, when),
            |clock, sleeper| clock.sleep_until(when, sleeper),
        )
        .await
    }

    async fn wait(
        &self,
        real: impl FnOnce(&RealClock, std::time::Instant) -> Result<std::time::Instant, ClockError>,
        external: impl FnOnce(&mut ExternalClock<Sleeper>, Sleeper) -> Result<SleepKey, ClockError>,
    ) -> Result<(), Error> {
        let sleeper = Sleeper::default();
        let key = {
            let mut clock = lock(&self.0.clock);
            match &mut *clock {
                clock::Clock::Real(clock) => {
                    let until = real(clock, self.0.host.now())?;
                    Err(until)
                }
                clock::Clock::External(clock) => Ok(external(clock, sleeper.clone())?),
            }
        };
        match key {
            Ok(key) => {
                let _cancel = Cancel { clock: self, key: Some(key) };
                poll_fn(|cx| {
                    let mut nap = lock(&sleeper);
                    if nap.over {
                        return Poll::Ready(());
                    }
                    nap.waker = Some(cx.waker().clone());
                    waits::note(|| "for somebody to set the clock".to_owned());
                    Poll::Pending
                })
                .await;
            }
            Err(until) => sleep_until(&*self.0.host, until).await,
        }
        Ok(())
    }
}

/// Takes a sleeper out of the clock whose future is gone.
struct Cancel<'a> {
    clock: &'a Clock,
    key: Option<SleepKey>,
}

impl Drop for Cancel<'_> {
    fn drop(&mut self) {
        if let (clock::Clock::External(clock), Some(key)) =
            (&mut *lock(&self.clock.0.clock), self.key.take())
        {
            clock.cancel(key);
        }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &*lock(&self.0.clock) {
            clock::Clock::Real(_) => "real",
            clock::Clock::External(_) => "external",
        };
        f.debug_struct("Clock").field("kind", &kind).field("time", &self.time()).finish()
    }
}
