//! The environment of every event: time, random numbers, trace, and pending effects.

use std::task::Waker;
use std::time::{Duration, Instant};

use crate::rng::Rng;
use crate::trace::{Step, Trace};

/// Time, random numbers, trace and pending effects of a simulation.
#[derive(Debug)]
pub(crate) struct Env<W> {
    start: Instant,
    pub(crate) now: Instant,
    /// The date at the start, as time since the start of 1970.
    epoch: Duration,
    pub(crate) rng: Rng,
    pub(crate) trace: Trace,
    /// Wakers to call without the lock.
    pub(crate) wakers: Vec<Waker>,
    /// Deliveries to schedule.
    pub(crate) arrivals: Vec<(Instant, W)>,
}

impl<W> Env<W> {
    pub(crate) fn new(rng: Rng, trace: Trace) -> Self {
        let start = Instant::now();
        let (wakers, arrivals) = (Vec::new(), Vec::new());
        let epoch = Duration::from_secs(946_684_800);
        Self { start, now: start, epoch, rng, trace, wakers, arrivals }
    }

    /// Returns the date, as time since the start of 1970.
    pub(crate) fn since_epoch(&self) -> Duration {
        self.epoch.saturating_add(self.elapsed())
    }

    /// Steps the date, but not to before 1970.
    pub(crate) const fn step_date(&mut self, by: Duration, back: bool) {
        self.epoch =
            if back { self.epoch.saturating_sub(by) } else { self.epoch.saturating_add(by) };
    }

    /// Returns the time since the simulation began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.since_start(self.now)
    }

    pub(crate) fn since_start(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.start)
    }

    pub(crate) const fn note(&mut self, step: Step, what: u64, how_much: u64) {
        self.trace.note(step, what, how_much);
    }

    pub(crate) fn advance_to(&mut self, at: Instant) {
        if at > self.now {
            self.now = at;
            let nanos = self.elapsed().as_nanos() as u64;
            self.note(Step::Time, 0, nanos);
        }
    }
}
