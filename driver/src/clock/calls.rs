//! Scheduled calls of a clock, and other waits for the wall clock.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use super::{Clock, Inner, State, Waiter, date};
use crate::Error;
use crate::contain::{Contained, wake_all};
use crate::host::BoxFuture;
use crate::lock::lock;
use crate::transport::Timer;
use aiomas_core::clock::timer::{TimerKey, TimerQueue};
use aiomas_core::clock::{self, ClockError, Date, ExternalClock, RealClock, SleepKey, When};

pub(super) type Call = Contained<Box<dyn FnOnce() + Send>>;

/// The waits for the wall clock. While it is not empty, one task serves all waits with one timer of the runtime.
#[derive(Default)]
pub(super) struct Queue {
    times: TimerQueue<Instant, Waiter>,
    /// Separate from the times: the moment of a date is unknown, because the system's date may step.
    dates: TimerQueue<Date, Waiter>,
    has_task: bool,
    /// Wakes the task when the head of a queue changes, or the clock is gone.
    task: Option<Waker>,
}

/// The number of waits that end before other tasks run.
const TURN: usize = 64;

/// The longest single wait for a date.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Queue {
    /// Removes a wait. Also returns the waker of the task, if the task waits for this entry.
    pub(super) fn cancel(&mut self, key: Key) -> (Option<Waiter>, Option<Waker>) {
        let (is_first, waiter) = match key {
            Key::Time(key) => (self.times.next() == Some(key.at()), self.times.cancel(key)),
            Key::Date(key) => (self.dates.next() == Some(key.at()), self.dates.cancel(key)),
            Key::External(_) => return (None, None),
        };
        (waiter, if is_first { self.task.take() } else { None })
    }

    /// Takes the next due entry.
    fn expire(&mut self, now: Instant, date: Date) -> Option<Waiter> {
        let due = self.times.expire(now).map(|(_, waiter)| waiter);
        due.or_else(|| self.dates.expire(date).map(|(_, waiter)| waiter))
    }

    /// Returns when to check again: while the queue has dates, after `check` at the latest.
    fn next(&self, now: Instant, date: Date, check: Duration) -> Option<Instant> {
        let look = self.dates.next().map(|due| {
            let left = Duration::try_from_secs_f64(due.seconds_since(date).max(0.0));
            now.checked_add(left.unwrap_or(DAY).min(check).min(DAY)).unwrap_or(now)
        });
        self.times.next().into_iter().chain(look).min()
    }
}

impl Clock {
    /// Schedules a call in `dt` seconds: aiomas' `call_in`.
    ///
    /// A task of the runtime makes the call or, on an external clock, the task that sets the clock. The call must not
    /// block; a panic is contained. On the wall clock `dt` may be zero or less: then the call is made soon. Dropping
    /// all clones of the clock cancels its calls.
    ///
    /// ```no_run
    /// # fn example(container: &aiomas::Container) -> Result<(), aiomas::Error> {
    /// let reminder = container.clock().call_in(5.0, || println!("five seconds later"))?;
    /// reminder.cancel();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The errors of [`sleep`](Self::sleep).
    pub fn call_in(
        &self,
        dt: f64,
        call: impl FnOnce() + Send + 'static,
    ) -> Result<TimerHandle, Error> {
        let call = Waiter::Call(Contained::new(Box::new(call)));
        self.schedule(call, |clock, now| clock.sleep(now, dt), |clock| clock.due_in(dt))
    }

    /// Schedules a call at a time in seconds or a [`Date`]: aiomas' `call_at`. See [`call_in`](Self::call_in). A call
    /// at a date follows the steps of the system's date, as [`sleep_until`](Self::sleep_until) does.
    ///
    /// # Errors
    /// The errors of [`sleep_until`](Self::sleep_until).
    pub fn call_at(
        &self,
        when: impl Into<When>,
        call: impl FnOnce() + Send + 'static,
    ) -> Result<TimerHandle, Error> {
        let (when, call) = (when.into(), Waiter::Call(Contained::new(Box::new(call))));
        if let When::Date(date) = when {
            return Ok(self.handle(self.enter_date(date, call)?));
        }
        self.schedule(call, |clock, now| clock.sleep_until(now, when), |clock| clock.due(when))
    }

    fn schedule(
        &self,
        call: Waiter,
        real: impl FnOnce(&RealClock, Instant) -> Result<Instant, ClockError>,
        external: impl FnOnce(&ExternalClock<Waiter>) -> Result<f64, ClockError>,
    ) -> Result<TimerHandle, Error> {
        let key = self.enter(|state, now| {
            Ok(match &mut state.clock {
                clock::Clock::External(clock) => {
                    Key::External(clock.sleep_until(external(clock)?, call)?)
                }
                clock::Clock::Real(clock) => {
                    Key::Time(state.queue.times.insert(real(clock, now)?, call))
                }
            })
        })?;
        Ok(self.handle(key))
    }

    /// Adds a wait for a date.
    pub(super) fn enter_date(&self, date: Date, waiter: Waiter) -> Result<Key, Error> {
        self.enter(|state, now| {
            Ok(match &mut state.clock {
                clock::Clock::External(clock) => {
                    Key::External(clock.sleep_until(clock.due(date)?, waiter)?)
                }
                clock::Clock::Real(clock) => {
                    // Called only to reject a date in the past: the date may step.
                    clock.sleep_until(now, date)?;
                    Key::Date(state.queue.dates.insert(date, waiter))
                }
            })
        })
    }

    /// Changes the queue, and ensures that a task waits for its head.
    fn enter(
        &self,
        insert: impl FnOnce(&mut State, Instant) -> Result<Key, ClockError>,
    ) -> Result<Key, Error> {
        let (key, starts, woken) = {
            let mut state = lock(&self.0.state);
            let now = self.0.look(&mut state);
            let key = insert(&mut state, now)?;
            let queue = &mut state.queue;
            let is_first = match key {
                Key::Time(key) => queue.times.next() == Some(key.at()),
                Key::Date(key) => queue.dates.next() == Some(key.at()),
                Key::External(_) => return Ok(key),
            };
            let starts = !std::mem::replace(&mut queue.has_task, true);
            (key, starts, if is_first { queue.task.take() } else { None })
        };
        wake_all(woken);
        if starts {
            let task =
                Task { clock: Arc::downgrade(&self.0), timer: None, waits_for: None, over: false };
            self.0.host.spawn(task.run());
        }
        Ok(key)
    }

    fn handle(&self, key: Key) -> TimerHandle {
        TimerHandle { clock: Arc::downgrade(&self.0), key }
    }
}

/// The task that ends the waits. It completes when the queue is empty.
struct Task {
    clock: Weak<Inner>,
    /// `None` until the task has something to wait for.
    timer: Option<Box<dyn Timer>>,
    waits_for: Option<Instant>,
    /// The queue is empty, so another task may have started.
    over: bool,
}

impl Task {
    fn run(mut self) -> BoxFuture<()> {
        Box::pin(poll_fn(move |cx| self.poll(cx)))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..TURN {
            let Some(clock) = self.clock.upgrade() else { return Poll::Ready(()) };
            let (now, date) = (clock.host.now(), date(&*clock.host));
            let (due, next) = {
                let queue = &mut lock(&clock.state).queue;
                let due = queue.expire(now, date);
                let next = queue.next(now, date, clock.host.date_check());
                if due.is_none() {
                    queue.has_task = next.is_some();
                    queue.task = next.map(|_| cx.waker().clone());
                }
                (due, next)
            };
            match (due, next) {
                (Some(waiter), _) => waiter.expire(),
                (None, None) => {
                    self.over = true;
                    return Poll::Ready(());
                }
                (None, Some(at)) => {
                    let timer = self.timer.get_or_insert_with(|| clock.host.timer());
                    if self.waits_for.replace(at) != Some(at) {
                        timer.set(at);
                    }
                    if timer.poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                    self.waits_for = None;
                }
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// If the runtime drops the task, the next scheduled call starts another one.
impl Drop for Task {
    fn drop(&mut self) {
        if !self.over
            && let Some(clock) = self.clock.upgrade()
        {
            lock(&clock.state).queue.has_task = false;
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let task = lock(&self.state).queue.task.take();
        wake_all(task);
    }
}

/// The handle of a scheduled call: aiomas' `TimerHandle`. Dropping it does not cancel the call.
#[derive(Clone)]
pub struct TimerHandle {
    clock: Weak<Inner>,
    key: Key,
}

/// An entry of a queue.
#[derive(Clone, Copy, Debug)]
pub(super) enum Key {
    Time(TimerKey<Instant>),
    Date(TimerKey<Date>),
    External(SleepKey),
}

impl TimerHandle {
    /// Cancels the call. Returns whether it was pending.
    pub fn cancel(&self) -> bool {
        let Some(clock) = self.clock.upgrade() else { return false };
        // The lock is released before the call and its captures are dropped.
        clock.cancel(self.key).is_some()
    }
}

impl fmt::Debug for TimerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TimerHandle").field(&self.key).finish()
    }
}
