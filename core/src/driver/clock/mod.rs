//! The clock of a container, whichever it is.

mod calls;

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Instant;

use calls::{Call, Calls};

pub use calls::TimerHandle;

use super::Error;
use super::contain::undisturbed;
use super::host::{Host, sleep_until};
use super::lock::lock;
use super::waits;
use crate::clock::{self, ClockError, Date, ExternalClock, RealClock, SleepKey, When};

/// The clock of a container and its agents: that of the world, or one that is set from outside.
///
/// Agents need not know which it is. On a simulated runtime, the time of the world is the simulation's.
/// Cloning it is cheap; all clones show the same time.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

struct Inner {
    host: Arc<dyn Host>,
    state: Mutex<State>,
}

struct State {
    clock: clock::Clock<Waiter>,
    /// Those that wait for the time of the world; those that wait for an external clock are in that.
    calls: Calls,
    /// Somebody is waking those whose time has come.
    waking: bool,
}

/// What waits for an external clock.
enum Waiter {
    Sleeper(Sleeper),
    Call(Call),
}

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

    fn new(host: Arc<dyn Host>, clock: clock::Clock<Waiter>) -> Self {
        let state = State { clock, calls: Calls::default(), waking: false };
        Self(Arc::new(Inner { host, state: Mutex::new(state) }))
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
        lock(&self.0.state).clock.time(self.0.host.now())
    }

    /// The date in UTC (aiomas' `utcnow`).
    #[must_use]
    pub fn utc_now(&self) -> Date {
        lock(&self.0.state).clock.utc_now(self.0.host.now())
    }

    /// Sets an external clock to a later time, in seconds. Then sleeps end and calls are made whose time
    /// has come, one after the other, in the order of their times and then in that in which they were
    /// asked for. They all see the new time.
    ///
    /// When it returns, the calls have been made; unless it is called by one of them, or beside another
    /// `set_time`, which then goes on until all is done.
    ///
    /// # Errors
    /// [`Error::Clock`]: the time is not after the present one, or not finite, or the clock is that of the
    /// world. Nothing has changed then.
    pub fn set_time(&self, time: f64) -> Result<(), Error> {
        {
            let mut state = lock(&self.0.state);
            let clock::Clock::External(clock) = &mut state.clock else {
                return Err(ClockError::NotExternal.into());
            };
            clock.set_time(time)?;
            if std::mem::replace(&mut state.waking, true) {
                return Ok(());
            }
        }
        while let Some(waiter) = self.next_expired() {
            match waiter {
                Waiter::Sleeper(sleeper) => {
                    let waker = {
                        let mut nap = lock(&sleeper);
                        nap.over = true;
                        nap.waker.take()
                    };
                    // Whatever that does, it must not end what goes on behind it.
                    undisturbed(|| waker.into_iter().for_each(Waker::wake));
                }
                Waiter::Call(call) => undisturbed(call),
            }
        }
        Ok(())
    }

    fn next_expired(&self) -> Option<Waiter> {
        let mut state = lock(&self.0.state);
        let waiter = match &mut state.clock {
            clock::Clock::External(clock) => clock.expired(),
            clock::Clock::Real(_) => None,
        };
        state.waking = waiter.is_some();
        waiter
    }

    /// Waits for `dt` seconds. On an external clock somebody has to set it meanwhile.
    ///
    /// # Errors
    /// [`Error::Clock`]: `dt` is not finite, or not positive on an external clock, or too long.
    ///
    /// # Cancel safety
    /// Dropping the future ends the sleep. It begins when the future is polled first.
    pub async fn sleep(&self, dt: f64) -> Result<(), Error> {
        self.wait(|clock, now| clock.sleep(now, dt), |clock| clock.due_in(dt)).await
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
        self.wait(|clock, now| clock.sleep_until(now, when), |clock| clock.due(when)).await
    }

    async fn wait(
        &self,
        real: impl FnOnce(&RealClock, Instant) -> Result<Instant, ClockError>,
        external: impl FnOnce(&ExternalClock<Waiter>) -> Result<f64, ClockError>,
    ) -> Result<(), Error> {
        let sleeper = Sleeper::default();
        let key = match &mut lock(&self.0.state).clock {
            clock::Clock::Real(clock) => Err(real(clock, self.0.host.now())?),
            clock::Clock::External(clock) => {
                let due = external(clock)?;
                Ok(clock.sleep_until(due, Waiter::Sleeper(sleeper.clone()))?)
            }
        };
        match key {
            Ok(key) => {
                let _cancel = Cancel { clock: self, key };
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
            Err(until) => sleep_until(&*self.0.host, until).await?,
        }
        Ok(())
    }
}

impl Inner {
    /// Takes out what waits for an external clock.
    fn cancel(&self, key: SleepKey) -> Option<Waiter> {
        match &mut lock(&self.state).clock {
            clock::Clock::External(clock) => clock.cancel(key),
            clock::Clock::Real(_) => None,
        }
    }
}

/// Takes a sleeper out of the clock whose future is gone.
struct Cancel<'a> {
    clock: &'a Clock,
    key: SleepKey,
}

impl Drop for Cancel<'_> {
    fn drop(&mut self) {
        let _sleeper = self.clock.0.cancel(self.key);
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &lock(&self.0.state).clock {
            clock::Clock::Real(_) => "real",
            clock::Clock::External(_) => "external",
        };
        f.debug_struct("Clock").field("kind", &kind).field("time", &self.time()).finish()
    }
}
