//! Calls that a clock makes when their time has come.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::{Clock, Inner, Waiter};
use crate::clock::timer::{TimerKey, TimerQueue};
use crate::clock::{self, ClockError, ExternalClock, RealClock, SleepKey, When};
use crate::driver::Error;
use crate::driver::contain::{undisturbed, wake};
use crate::driver::host::BoxFuture;
use crate::driver::lock::lock;
use crate::driver::transport::Timer;

pub(super) type Call = Box<dyn FnOnce() + Send>;

/// Calls that wait for the time of the world: one queue, and one task with one timer of the runtime while
/// there are any.
#[derive(Default)]
pub(super) struct Calls {
    queue: TimerQueue<Instant, Call>,
    has_task: bool,
    /// Wakes the task when the first call is another one, or the clock is gone.
    task: Option<Waker>,
}

/// How many calls are made before other tasks have their turn.
const TURN: usize = 64;

impl Clock {
    /// Makes a call in `dt` seconds: aiomas' `call_in`.
    ///
    /// It is made by a task of the runtime, or, on an external clock, by whoever sets that. It must not
    /// block; that it panics disturbs nobody. On the clock of the world `dt` may be zero or less: then it
    /// is made soon. When all clones of the clock are gone, so are the calls that wait for it.
    ///
    /// ```no_run
    /// # fn example(container: &aiomas_core::Container) -> Result<(), aiomas_core::Error> {
    /// let reminder = container.clock().call_in(5.0, || println!("five seconds later"))?;
    /// reminder.cancel();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`sleep`](Self::sleep).
    pub fn call_in(
        &self,
        dt: f64,
        call: impl FnOnce() + Send + 'static,
    ) -> Result<TimerHandle, Error> {
        let call = Box::new(call);
        self.schedule(call, |clock, now| clock.sleep(now, dt), |clock| clock.due_in(dt))
    }

    /// Makes a call at a time in seconds or a [`Date`](crate::clock::Date): aiomas' `call_at`. See
    /// [`call_in`](Self::call_in).
    ///
    /// # Errors
    /// As [`sleep_until`](Self::sleep_until).
    pub fn call_at(
        &self,
        when: impl Into<When>,
        call: impl FnOnce() + Send + 'static,
    ) -> Result<TimerHandle, Error> {
        let (when, call) = (when.into(), Box::new(call));
        self.schedule(call, |clock, now| clock.sleep_until(now, when), |clock| clock.due(when))
    }

    fn schedule(
        &self,
        call: Call,
        real: impl FnOnce(&RealClock, Instant) -> Result<Instant, ClockError>,
        external: impl FnOnce(&ExternalClock<Waiter>) -> Result<f64, ClockError>,
    ) -> Result<TimerHandle, Error> {
        let mut starts = false;
        let (key, woken) = {
            let mut state = lock(&self.0.state);
            let state = &mut *state;
            match &mut state.clock {
                clock::Clock::External(clock) => {
                    let due = external(clock)?;
                    (Key::External(clock.sleep_until(due, Waiter::Call(call))?), None)
                }
                clock::Clock::Real(clock) => {
                    let (at, calls) = (real(clock, self.0.host.now())?, &mut state.calls);
                    let first = calls.queue.next().is_none_or(|first| at < first);
                    starts = !std::mem::replace(&mut calls.has_task, true);
                    let woken = if first { calls.task.take() } else { None };
                    (Key::Real(calls.queue.insert(at, call)), woken)
                }
            }
        };
        if let Some(task) = woken {
            wake(task);
        }
        if starts {
            let task =
                Task { clock: Arc::downgrade(&self.0), timer: None, waits_for: None, over: false };
            self.0.host.spawn(task.run());
        }
        Ok(TimerHandle { clock: Arc::downgrade(&self.0), key })
    }
}

/// What makes the calls. It ends when there are none.
struct Task {
    clock: Weak<Inner>,
    /// Once it has something to wait for.
    timer: Option<Box<dyn Timer>>,
    waits_for: Option<Instant>,
    /// There are no calls left, so that another task may have begun.
    over: bool,
}

impl Task {
    fn run(mut self) -> BoxFuture<()> {
        Box::pin(poll_fn(move |cx| self.poll(cx)))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        for _ in 0..TURN {
            let Some(clock) = self.clock.upgrade() else { return Poll::Ready(()) };
            let now = clock.host.now();
            let (call, next) = {
                let calls = &mut lock(&clock.state).calls;
                let call = calls.queue.expire(now).map(|(_, call)| call);
                let next = calls.queue.next();
                if call.is_none() {
                    calls.has_task = next.is_some();
                    calls.task = next.map(|_| cx.waker().clone());
                }
                (call, next)
            };
            match (call, next) {
                (Some(call), _) => undisturbed(call),
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

/// If the runtime drops the task, the next call that is scheduled begins another one.
impl Drop for Task {
    fn drop(&mut self) {
        if let Some(clock) = self.clock.upgrade() {
            let calls = &mut lock(&clock.state).calls;
            if !self.over {
                calls.has_task = false;
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let task = lock(&self.state).calls.task.take();
        if let Some(task) = task {
            wake(task);
        }
    }
}

/// A call that a clock is to make: aiomas' `TimerHandle`. Dropping it changes nothing.
#[derive(Clone)]
pub struct TimerHandle {
    clock: Weak<Inner>,
    key: Key,
}

#[derive(Clone, Copy, Debug)]
enum Key {
    Real(TimerKey<Instant>),
    External(SleepKey),
}

impl TimerHandle {
    /// Lets the call not be made; says whether it was still to be.
    pub fn cancel(&self) -> bool {
        let Some(clock) = self.clock.upgrade() else { return false };
        // What the call holds is dropped without the lock.
        match self.key {
            Key::Real(key) => {
                let (call, task) = {
                    let calls = &mut lock(&clock.state).calls;
                    let first = calls.queue.next() == Some(key.at());
                    (calls.queue.cancel(key), if first { calls.task.take() } else { None })
                };
                if let Some(task) = task {
                    wake(task);
                }
                call.is_some()
            }
            Key::External(key) => clock.cancel(key).is_some(),
        }
    }
}

impl fmt::Debug for TimerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TimerHandle").field(&self.key).finish()
    }
}
