//! The simulation, as its test controls it.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use aiomas::waits;

use crate::fault::{Counts, Fault};
use crate::fault_plan::Due;
use crate::host::Host;
use crate::stall_report::{StallReport, TaskWaits};
use crate::tasks::{MAIN, MAIN_HOST, Turn};
use crate::trace::Step;
use crate::world::{Event, State, World};

/// Hosts and a network between them, in one thread and in virtual time.
///
/// Events happen only in [`block_on`](Self::block_on), [`run_for`](Self::run_for) and
/// [`run_until_idle`](Self::run_until_idle). While a task is runnable no time passes, as if
/// processors were infinitely fast. When all tasks wait, time jumps to the next event.
///
/// Dropping the simulation ends all tasks.
pub struct Sim {
    pub(crate) world: Arc<World>,
    seed: u64,
    pub(crate) settings: Settings,
    actions: Mutex<BTreeMap<u64, Action>>,
}

/// An action that a test has scheduled.
type Action = Box<dyn FnOnce(&Sim) + Send>;

/// Limits of a simulation, and the panics it allows.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) spurious_wakes: f64,
    pub(crate) time: Duration,
    pub(crate) polls: u64,
    /// Substrings of panic messages that do not fail the simulation.
    pub(crate) allowed: Vec<String>,
}

/// The reason for which a run ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// The main future ended.
    Main,
    /// The time limit of the run was reached.
    Time,
    /// No event is left.
    Idle,
}

impl Sim {
    pub(crate) fn new_in(world: Arc<World>, seed: u64, settings: Settings) -> Self {
        {
            let mut state = world.lock();
            let main = state.add_host("main");
            state.tasks.insert(main, None);
        }
        Self { world, seed, settings, actions: Mutex::default() }
    }

    /// Returns the seed of all random numbers.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns the host of this name, and creates it on first use. The future of
    /// [`block_on`](Self::block_on) runs on the host `main`.
    pub fn host(&self, name: &str) -> Host {
        let id = {
            let mut state = self.world.lock();
            state.net.host_by_name(name).unwrap_or_else(|| state.add_host(name))
        };
        Host::new(&self.world, id)
    }

    /// Runs a future on the host `main`, with all other tasks, until it ends.
    ///
    /// # Panics
    /// - Code in the simulation panics without being [allowed](crate::SimBuilder::allow_panics) to:
    ///   the future, a program, a task, or a method, hook or callback, although its caller receives
    ///   a failure as outside of simulations.
    /// - A program ends with an error.
    /// - The future cannot end, because no task is runnable. The message lists what each task waits
    ///   for.
    /// - A limit of the simulation is reached.
    #[track_caller]
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let mut output = None;
        let mut main = |waker: &Waker| match future.as_mut().poll(&mut Context::from_waker(waker)) {
            Poll::Ready(ended) => {
                output = Some(ended);
                true
            }
            Poll::Pending => false,
        };
        self.world.lock().tasks.queue(MAIN);
        if self.run(None, &mut main) == Ended::Idle {
            let waiting = self.explain(&mut main, true);
            self.give_up(format!("stuck: no task is runnable; {waiting}"));
        }
        match output {
            Some(output) => output,
            None => unreachable!("a run without a time ends with its future, or is idle"),
        }
    }

    /// Runs all tasks for a time.
    ///
    /// # Panics
    /// As [`block_on`](Self::block_on), except that the tasks may all be waiting.
    #[track_caller]
    pub fn run_for(&self, time: Duration) {
        let until = self.world.lock().env.now + time;
        self.run(Some(until), &mut |_| false);
        self.world.lock().env.advance_to(until);
    }

    /// Runs all tasks until no event is left: no runnable task, no data in flight, no timer.
    /// [`waiting`](Self::waiting) then reports the remaining tasks.
    ///
    /// # Panics
    /// As [`run_for`](Self::run_for). A timer that always restarts reaches the time limit, for
    /// example the heartbeats of an open connection whose peers agreed on them in Hello (see
    /// [`Limits::keep_alive`](aiomas_core::connection::Limits::keep_alive)).
    #[track_caller]
    pub fn run_until_idle(&self) {
        self.run(None, &mut |_| false);
    }

    /// Returns the time since the simulation began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.world.lock().env.elapsed()
    }

    /// Schedules an action after a time from now: `sim.at(time, |sim| sim.crash("bob").unwrap())`.
    pub fn at(&self, after: Duration, action: impl FnOnce(&Self) + Send + 'static) {
        let mut actions = self.actions();
        let number = actions.last_key_value().map_or(0, |(last, _)| last + 1);
        actions.insert(number, Box::new(action));
        let mut state = self.world.lock();
        let at = state.env.now + after;
        state.schedule(at, Event::Act(number));
    }

    /// Returns a hash of all events, to compare runs by. It covers the polled tasks, their times,
    /// and all moved bytes.
    #[must_use]
    pub fn trace(&self) -> u64 {
        self.world.lock().env.trace.hash()
    }

    /// Returns how often each kind of fault happened.
    #[must_use]
    pub fn faults(&self) -> Counts {
        self.world.lock().env.rng.counts.clone()
    }

    /// Returns the number of tasks.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.world.lock().tasks.len()
    }

    /// Returns the number of open stream ends.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.world.lock().net.ends()
    }

    /// Reports what each task waits for. To find out, it polls each task once more.
    #[must_use]
    #[track_caller]
    pub fn waiting(&self) -> StallReport {
        self.explain(&mut |_| false, false)
    }

    fn actions(&self) -> MutexGuard<'_, BTreeMap<u64, Action>> {
        self.actions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn main_host(&self) -> Host {
        Host::new(&self.world, MAIN_HOST)
    }

    #[track_caller]
    fn run(&self, until: Option<Instant>, main: &mut Main<'_>) -> Ended {
        let mut polls = 0_u64;
        self.check();
        loop {
            while let Some(turn) = self.begin() {
                polls += 1;
                if polls > self.settings.polls {
                    let host = self.world.lock().net.name(turn.host).clone();
                    let at = self.elapsed();
                    self.give_up(format!(
                        "busy: {polls} polls at {at:?}, of which the last is of a task on {host}"
                    ));
                }
                let is_main = turn.task == MAIN;
                if self.poll(turn, main) && is_main {
                    return Ended::Main;
                }
            }
            let (now, next) = {
                let state = self.world.lock();
                (state.env.now, state.next_event(until.is_some()))
            };
            let Some(next) = next else { return Ended::Idle };
            if until.is_some_and(|until| next > until) {
                return Ended::Time;
            }
            if next > now {
                polls = 0;
                let elapsed = self.world.lock().env.since_start(next);
                if elapsed > self.settings.time {
                    let waiting = self.explain(main, true);
                    let limit = self.settings.time;
                    self.give_up(format!("no end: {limit:?} have passed, the limit; {waiting}"));
                }
                self.world.lock().env.advance_to(next);
            }
            self.happen();
        }
    }

    /// Chooses the next task.
    fn begin(&self) -> Option<Turn> {
        let State { tasks, env, .. } = &mut *self.world.lock();
        let probability = self.settings.spurious_wakes;
        loop {
            if probability > 0.0
                && tasks.ready() > 0
                && env.rng.happens(Fault::Wake, probability)
                && let Some(any) = tasks.any(|end| env.rng.below(Fault::Wake, end))
            {
                tasks.queue(any);
            }
            let nth = match tasks.ready() {
                0 => return None,
                1 => None,
                ready if env.rng.is_on(Fault::Order) => {
                    let nth = env.rng.below(Fault::Order, ready);
                    if nth > 0 {
                        env.rng.counts.add(Fault::Order);
                    }
                    Some(nth)
                }
                _ => None,
            };
            if let Some(turn) = tasks.begin(nth) {
                env.note(Step::Poll, turn.task as u64, turn.host as u64);
                return Some(turn);
            }
        }
    }

    /// Polls a task. Returns whether it has ended.
    #[track_caller]
    fn poll(&self, mut turn: Turn, main: &mut Main<'_>) -> bool {
        let (task, host) = (turn.task, Host::new(&self.world, turn.host));
        let ended = self.enter(host.clone(), || match &mut turn.future {
            Some(future) => future.as_mut().poll(&mut Context::from_waker(&turn.waker)).is_ready(),
            None => main(&turn.waker),
        });
        if ended.is_none() && task == MAIN {
            self.forbid_last();
        }
        // A panic ends a task, too.
        let ended = ended.unwrap_or(true);
        // Dropped tasks may lock and panic.
        let over = self.world.lock().tasks.end(turn, ended);
        if over.is_some() {
            self.enter(host, || drop(over));
        }
        self.check();
        ended
    }

    /// Handles all due events.
    #[track_caller]
    fn happen(&self) {
        loop {
            let due = self.world.lock().due();
            match due {
                Some(Event::Wake(waker)) => waker.wake(),
                Some(Event::Deliver(half_stream)) => {
                    self.world.change(|state| state.net.deliver(&mut state.env, half_stream));
                }
                Some(Event::Act(number)) => {
                    let action = self.actions().remove(&number);
                    if let Some(action) = action
                        && self.enter(self.main_host(), || action(self)).is_none()
                    {
                        self.forbid_last();
                    }
                }
                None => break,
            }
        }
        loop {
            let due = {
                let state = &mut *self.world.lock();
                state.fault_plan.due(state.env.now, &mut state.env.rng)
            };
            match due {
                Some(Due::Begin(fault, ends)) => self.begin_fault(fault, ends),
                Some(Due::End(end)) => self.end(end),
                None => break,
            }
        }
        self.check();
    }

    /// Reports what all tasks wait for, including the main future if `waits`.
    #[track_caller]
    fn explain(&self, main: &mut Main<'_>, waits: bool) -> StallReport {
        let at = self.elapsed();
        let ids = self.world.lock().tasks.ids();
        let mut tasks = Vec::new();
        for id in ids {
            if id == MAIN && !waits {
                continue;
            }
            let Some(turn) = self.world.lock().tasks.begin_this(id) else { continue };
            let host = self.world.lock().net.name(turn.host).clone();
            let (ended, mut what) = waits::explain(|| self.poll(turn, main));
            if ended {
                what.push("for nothing: it is ready, but was not woken".to_owned());
            }
            tasks.push(TaskWaits { host, what });
        }
        tasks.sort();
        StallReport { at, tasks }
    }
}

/// Polls the main future.
type Main<'a> = dyn FnMut(&Waker) -> bool + 'a;

impl Drop for Sim {
    fn drop(&mut self) {
        // Programs may hold handles of their own hosts, which would keep each other alive.
        let programs: Vec<_> = {
            let hosts = &mut self.world.lock().hosts;
            hosts.iter_mut().map(|host| std::mem::take(&mut host.programs)).collect()
        };
        self.enter(self.main_host(), || drop(programs));
        // Dropped tasks may spawn.
        loop {
            let tasks = self.world.lock().tasks.clear();
            if tasks.is_empty() {
                break;
            }
            for (host, task) in tasks {
                self.enter(Host::new(&self.world, host), || drop(task));
            }
        }
        // During another panic, only that one is reported.
        if !std::thread::panicking() {
            self.check();
        }
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim")
            .field("seed", &self.seed)
            .field("elapsed", &self.elapsed())
            .field("tasks", &self.tasks())
            .finish_non_exhaustive()
    }
}
