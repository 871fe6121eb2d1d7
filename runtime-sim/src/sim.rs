//! The simulation as the one who runs it sees it.

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

/// Hosts and a network between them, in one thread and with a time of their own.
///
/// Nothing happens but in [`block_on`](Self::block_on), [`run_for`](Self::run_for) and
/// [`run_until_idle`](Self::run_until_idle). While there is something to do no time passes, as if processors were infinitely
/// fast; when there is not, it jumps to the next moment at which something happens.
///
/// Dropping it ends all tasks.
pub struct Sim {
    pub(crate) world: Arc<World>,
    seed: u64,
    pub(crate) settings: Settings,
    actions: Mutex<BTreeMap<u64, Action>>,
}

/// What a test wants to happen at a time.
type Action = Box<dyn FnOnce(&Sim) + Send>;

/// How a simulation goes on, and when it has gone wrong.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) spurious_wakes: f64,
    pub(crate) time: Duration,
    pub(crate) polls: u64,
    /// Parts of the messages of panics that do not fail it.
    pub(crate) allowed: Vec<String>,
}

/// Why a run has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// The main future has.
    Main,
    /// The time has come.
    Time,
    /// There is nothing left to happen.
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

    /// What everything random derives from.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// The host of this name, which is made when it is first asked for. `main` is the one that the future of
    /// [`block_on`](Self::block_on) runs on.
    pub fn host(&self, name: &str) -> Host {
        let id = {
            let mut state = self.world.lock();
            state.net.host_by_name(name).unwrap_or_else(|| state.add_host(name))
        };
        Host::new(&self.world, id)
    }

    /// Runs a future on the host `main`, and everything else meanwhile, until the future ends.
    ///
    /// # Panics
    /// Anything panics that runs in the simulation: the future, a program or a task, and also a method, a hook or a callback,
    /// though its caller gets a failure as outside of simulations; unless that is
    /// [allowed](crate::SimBuilder::allow_panics). Or a program ends with an error; the future cannot end, for nobody can
    /// go on: the message says who waits for what; or a limit of the simulation is reached.
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
            self.give_up(format!("stuck: nobody can go on; {waiting}"));
        }
        match output {
            Some(output) => output,
            None => unreachable!("a run without a time ends with its future, or is idle"),
        }
    }

    /// Runs everything for a time.
    ///
    /// # Panics
    /// As [`block_on`](Self::block_on), but that it does not matter whether anybody can go on.
    #[track_caller]
    pub fn run_for(&self, time: Duration) {
        let until = self.world.lock().env.now + time;
        self.run(Some(until), &mut |_| false);
        self.world.lock().env.advance_to(until);
    }

    /// Runs everything until nothing will happen any more: nobody can go on, nothing is under way, no timer
    /// is set. What is left is in [`waiting`](Self::waiting).
    ///
    /// # Panics
    /// As [`run_for`](Self::run_for): for one, when there always is a timer, such as that of heartbeats on an open
    /// connection of peers that have agreed on these in Hello (see
    /// [`Limits::keep_alive`](aiomas_core::connection::Limits::keep_alive)).
    #[track_caller]
    pub fn run_until_idle(&self) {
        self.run(None, &mut |_| false);
    }

    /// The time since the simulation began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.world.lock().env.elapsed()
    }

    /// Lets something happen after a time from now: `sim.at(time, |sim| sim.crash("bob").unwrap())`.
    pub fn at(&self, after: Duration, action: impl FnOnce(&Self) + Send + 'static) {
        let mut actions = self.actions();
        let number = actions.last_key_value().map_or(0, |(last, _)| last + 1);
        actions.insert(number, Box::new(action));
        let mut state = self.world.lock();
        let at = state.env.now + after;
        state.schedule(at, Event::Act(number));
    }

    /// A hash of all that has happened, to compare runs by: who was polled when, and which bytes moved.
    #[must_use]
    pub fn trace(&self) -> u64 {
        self.world.lock().env.trace.hash()
    }

    /// How often each kind of fault has happened.
    #[must_use]
    pub fn faults(&self) -> Counts {
        self.world.lock().env.rng.counts.clone()
    }

    /// How many tasks there are.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.world.lock().tasks.len()
    }

    /// How many ends of streams are open.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.world.lock().net.ends()
    }

    /// Who waits for what. Each task is polled once more for that.
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

    /// Chooses who is next.
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

    /// Says whether the task has ended.
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
        // A task ends by a panic, too.
        let ended = ended.unwrap_or(true);
        // What is dropped may lock, and panic.
        let over = self.world.lock().tasks.end(turn, ended);
        if over.is_some() {
            self.enter(host, || drop(over));
        }
        self.check();
        ended
    }

    /// Lets happen what is due.
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

    /// `waits`: so does the main future.
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
                what.push("for nothing: it could go on, and nobody has woken it".to_owned());
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
        // Programs may well hold handles of the hosts that hold them.
        let programs: Vec<_> = {
            let hosts = &mut self.world.lock().hosts;
            hosts.iter_mut().map(|host| std::mem::take(&mut host.programs)).collect()
        };
        self.enter(self.main_host(), || drop(programs));
        // What is dropped may spawn.
        loop {
            let tasks = self.world.lock().tasks.clear();
            if tasks.is_empty() {
                break;
            }
            for (host, task) in tasks {
                self.enter(Host::new(&self.world, host), || drop(task));
            }
        }
        // Beside another failure, that one is told.
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
