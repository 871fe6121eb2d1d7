//! The clock of a container: the wall clock or an external one.

mod calls;

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Instant;

use calls::{Call, Key, Queue};

pub use aiomas_core::clock::{ClockError, Date, DateError, ExternalClock, When};
pub use calls::TimerHandle;

use super::Error;
use super::contain::{undisturbed, wake_all};
use super::host::{Host, sleep_until};
use super::lock::lock;
use super::waits;
use aiomas_core::clock::{self, RealClock};

/// The clock of a container and its agents: the wall clock, or an external one.
///
/// Agents need not know the kind. On a simulated runtime, the wall clock shows the simulation's time and date. Cloning
/// it is cheap; all clones show the same time.
///
/// The wall clock has a time and a date. [`time`](Self::time) counts seconds and never goes back; use it for durations
/// and delays. The date follows the system's date, which steps when a time server or an operator sets it, and when a
/// machine resumes. Waits for a date notice a step within one second.
#[derive(Clone)]
pub struct Clock(Arc<Inner>);

struct Inner {
    host: Arc<dyn Host>,
    state: Mutex<State>,
}

struct State {
    clock: clock::Clock<Waiter>,
    /// The waits for the wall clock; an external clock has its own queue.
    queue: Queue,
    /// True while a thread wakes the due waits.
    waking: bool,
}

/// An entry that waits for a clock.
enum Waiter {
    Sleeper(Sleeper),
    Call(Call),
}

impl Waiter {
    /// Ends the wait. A panic of user code is contained.
    fn expire(self) {
        match self {
            Self::Sleeper(sleeper) => {
                let waker = {
                    let mut nap = lock(&sleeper);
                    nap.over = true;
                    nap.waker.take()
                };
                wake_all(waker);
            }
            Self::Call(call) => undisturbed(call.into_inner()),
        }
    }
}

type Sleeper = Arc<Mutex<Nap>>;

#[derive(Debug, Default)]
struct Nap {
    over: bool,
    waker: Option<Waker>,
}

impl Clock {
    /// Creates a wall clock, which shows 0 seconds now.
    pub(super) fn real(host: Arc<dyn Host>) -> Self {
        let (now, date) = (host.now(), date(&*host));
        match RealClock::new(now, date) {
            Ok(clock) => Self::new(host, clock.into()),
            Err(_) => unreachable!("a date in UTC is within the range of dates in UTC"),
        }
    }

    fn new(host: Arc<dyn Host>, clock: clock::Clock<Waiter>) -> Self {
        let state = State { clock, queue: Queue::default(), waking: false };
        Self(Arc::new(Inner { host, state: Mutex::new(state) }))
    }

    /// Creates a clock that stands still until it is set.
    pub(super) fn external(
        host: Arc<dyn Host>,
        start: Date,
        init_time: f64,
    ) -> Result<Self, ClockError> {
        Ok(Self::new(host, ExternalClock::new(start, init_time)?.into()))
    }

    /// Returns the time in seconds. It never goes back.
    #[must_use]
    pub fn time(&self) -> f64 {
        lock(&self.0.state).clock.time(self.0.host.now())
    }

    /// Returns the date in UTC (aiomas' `utcnow`). The system's date may go back.
    #[must_use]
    pub fn utc_now(&self) -> Date {
        let mut state = lock(&self.0.state);
        let now = self.0.look(&mut state);
        state.clock.utc_now(now)
    }

    /// Sets an external clock to a later time, in seconds. Due sleeps end and due calls are made one after the other,
    /// in the order of their times and then of their requests. All of them see the new time.
    ///
    /// The calls have been made when this function returns, except in a nested or concurrent `set_time`, whose calls
    /// the first `set_time` makes.
    ///
    /// # Errors
    /// [`Error::Clock`]: the time is not after the present one, or not finite, or this is the wall clock. Then nothing
    /// changes.
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
            waiter.expire();
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

    /// Waits for `dt` seconds, independently of the date. On an external clock, another task must set the clock
    /// meanwhile.
    ///
    /// # Errors
    /// [`Error::Clock`]: `dt` is not finite, or not positive on an external clock, or too long.
    ///
    /// # Cancel safety
    /// Dropping the future cancels the sleep. The sleep starts with the first poll.
    pub async fn sleep(&self, dt: f64) -> Result<(), Error> {
        self.wait(|clock, now| clock.sleep(now, dt), |clock| clock.due_in(dt)).await
    }

    /// Waits until a time in seconds or a [`Date`]. A wait for a date follows the steps of the system's date; a step is
    /// noticed within one second.
    ///
    /// # Errors
    /// [`Error::Clock`]: `when` is not after the present time, or not finite, or too far away.
    ///
    /// # Cancel safety
    /// The same as [`sleep`](Self::sleep).
    pub async fn sleep_until(&self, when: impl Into<When>) -> Result<(), Error> {
        let when = when.into();
        if let When::Date(date) = when {
            return self.wait_for_date(date).await;
        }
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
            Ok(key) => self.nap(&sleeper, Key::External(key)).await,
            Err(until) => sleep_until(&*self.0.host, until).await?,
        }
        Ok(())
    }

    async fn wait_for_date(&self, date: Date) -> Result<(), Error> {
        let sleeper = Sleeper::default();
        let key = self.enter_date(date, Waiter::Sleeper(sleeper.clone()))?;
        self.nap(&sleeper, key).await;
        Ok(())
    }

    /// Waits for the end of a queued sleep.
    async fn nap(&self, sleeper: &Sleeper, key: Key) {
        let _cancel = Cancel { clock: self, key };
        poll_fn(|cx| {
            let mut nap = lock(sleeper);
            if nap.over {
                return Poll::Ready(());
            }
            nap.waker = Some(cx.waker().clone());
            waits::note(|| match key {
                Key::External(_) => "for the clock to be set".to_owned(),
                Key::Time(_) | Key::Date(_) => "for a date".to_owned(),
            });
            Poll::Pending
        })
        .await;
    }
}

/// Returns the date of a runtime.
fn date(host: &dyn Host) -> Date {
    Date::after_epoch(host.since_epoch()).unwrap_or(Date::MAX)
}

impl Inner {
    /// Updates the wall clock's date. Returns the time.
    fn look(&self, state: &mut State) -> Instant {
        let now = self.host.now();
        if let clock::Clock::Real(clock) = &mut state.clock {
            // A date in UTC is within the range.
            let _set = clock.set_date(now, date(&*self.host));
        }
        now
    }

    /// Removes a wait.
    fn cancel(&self, key: Key) -> Option<Waiter> {
        let (waiter, task) = {
            let State { clock, queue, .. } = &mut *lock(&self.state);
            match (clock, key) {
                (clock::Clock::External(clock), Key::External(key)) => (clock.cancel(key), None),
                (clock::Clock::Real(_), key) => queue.cancel(key),
                (clock::Clock::External(_), _) => (None, None),
            }
        };
        wake_all(task);
        waiter
    }
}

/// Removes a sleeper from the clock when its future is dropped.
struct Cancel<'a> {
    clock: &'a Clock,
    key: Key,
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
