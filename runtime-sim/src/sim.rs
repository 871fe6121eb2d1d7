//! The simulation as the one who runs it sees it.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use aiomas_core::driver::waits;

use crate::chaos::{Due, End};
use crate::fault::{Counts, Fault};
use crate::host::Host;
use crate::link::Link;
use crate::net::HostId;
use crate::tasks::{MAIN, Turn};
use crate::trace::Step;
use crate::waiting::{TaskWaits, Waiting};
use crate::world::{Event, State, World};

/// Hosts and a network between them, in one thread and with a time of their own.
///
/// Nothing happens but in [`block_on`](Self::block_on), [`run_for`](Self::run_for) and
/// [`run_until_idle`](Self::run_until_idle). While there is something to do no time passes, as if processors were infinitely
/// fast; when there is not, it jumps to the next moment at which something happens.
///
/// Dropping it ends all tasks.
pub struct Sim {
    world: Arc<World>,
    seed: u64,
    settings: Settings,
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
}

/// There is no such host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no host called {name:?} in this simulation")]
#[non_exhaustive]
pub struct UnknownHost {
    /// What it was called.
    pub name: String,
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
    /// It cannot end, for nobody can go on: the message says who waits for what. Or a task panics, a program ends with an
    /// error, or a limit of the simulation is reached.
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
            panic!("stuck: nobody can go on; {}", self.explain(&mut main, true));
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

    /// Lets nothing through between two hosts, until it is [healed](Self::heal). What is sent meanwhile
    /// arrives then. Streams do not break, however long it lasts, and nobody is told; for a peer that is gone and
    /// found out by keep-alive see [`power_off`](Self::power_off).
    ///
    /// # Errors
    /// There is no such host.
    pub fn partition(&self, one: &str, other: &str) -> Result<(), UnknownHost> {
        let (one, other) = (self.find(one)?, self.find(other)?);
        let mut state = self.world.lock();
        state.env.note(Step::Part, one as u64, other as u64);
        state.env.chance.counts.add(Fault::Partition);
        state.net.part(one, other);
        Ok(())
    }

    /// Ends a [partition](Self::partition).
    ///
    /// # Errors
    /// There is no such host.
    pub fn heal(&self, one: &str, other: &str) -> Result<(), UnknownHost> {
        let (one, other) = (self.find(one)?, self.find(other)?);
        self.heal_between(one, other);
        Ok(())
    }

    /// Ends all programs and tasks of a host at once, as if each process were killed. What they have sent
    /// still arrives, and after it the end of their streams.
    ///
    /// # Errors
    /// There is no such host.
    pub fn crash(&self, host: &str) -> Result<(), UnknownHost> {
        self.stop(self.find(host)?, false);
        Ok(())
    }

    /// Ends a host without a trace: others hear nothing of it until it is back, and then only when they
    /// send it something; or their streams break after twice their
    /// [`keep_alive`](aiomas_core::connection::Limits::keep_alive).
    ///
    /// # Errors
    /// There is no such host.
    pub fn power_off(&self, host: &str) -> Result<(), UnknownHost> {
        self.stop(self.find(host)?, true);
        Ok(())
    }

    /// Starts the programs of a host that was stopped.
    ///
    /// # Errors
    /// There is no such host.
    pub fn restart(&self, host: &str) -> Result<(), UnknownHost> {
        Host::new(&self.world, self.find(host)?).restart();
        Ok(())
    }

    /// Breaks all streams that there are.
    pub fn reset_streams(&self) {
        self.world.change(|state| state.net.cut_all(&mut state.env));
    }

    /// Says how it is from now on between two hosts, in both directions.
    ///
    /// # Errors
    /// There is no such host.
    pub fn set_link(&self, one: &str, other: &str, link: Link) -> Result<(), UnknownHost> {
        self.set_link_of(self.find(one)?, self.find(other)?, link);
        Ok(())
    }

    pub(crate) fn set_link_of(&self, one: HostId, other: HostId, link: Link) {
        let links = &mut self.world.lock().net.links;
        links.set(one, other, link.clone());
        links.set(other, one, link);
    }

    /// Ends all faults: partitions are healed, hosts restarted, and nothing goes wrong any more. Bytes still
    /// take their time.
    pub fn calm(&self) {
        let down = self.world.change(|state| {
            state.env.chance.set_calm(true);
            state.chaos.stop();
            state.net.heal_all();
            state.net.deliver_all(&mut state.env);
            let down = state.hosts.iter().enumerate().filter(|(_, host)| host.down);
            down.map(|(id, _)| id).collect::<Vec<_>>()
        });
        for host in down {
            Host::new(&self.world, host).restart();
        }
    }

    /// A hash of all that has happened, to compare runs by: who was polled when, and which bytes moved.
    #[must_use]
    pub fn trace(&self) -> u64 {
        self.world.lock().env.trace.hash()
    }

    /// How often each kind of fault has happened.
    #[must_use]
    pub fn faults(&self) -> Counts {
        self.world.lock().env.chance.counts.clone()
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
    pub fn waiting(&self) -> Waiting {
        self.explain(&mut |_| false, false)
    }

    fn actions(&self) -> MutexGuard<'_, BTreeMap<u64, Action>> {
        self.actions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, name: &str) -> Result<HostId, UnknownHost> {
        let id = self.world.lock().net.host_by_name(name);
        id.ok_or_else(|| UnknownHost { name: name.to_owned() })
    }

    fn stop(&self, host: HostId, loses_power: bool) {
        self.world.lock().env.chance.counts.add(Fault::Crash);
        Host::new(&self.world, host).stop(loses_power);
    }

    fn heal_between(&self, one: HostId, other: HostId) {
        self.world.change(|state| {
            state.env.note(Step::Heal, one as u64, other as u64);
            state.net.heal(one, other);
            state.net.deliver_all(&mut state.env);
        });
    }

    fn run(&self, until: Option<Instant>, main: &mut Main<'_>) -> Ended {
        let mut polls = 0_u64;
        loop {
            while let Some(turn) = self.begin() {
                polls += 1;
                if polls > self.settings.polls {
                    let host = self.world.lock().net.name(turn.host).clone();
                    let at = self.elapsed();
                    panic!(
                        "busy: {polls} polls at {at:?}, of which the last is of a task on {host}"
                    );
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
                    panic!("no end: {:?} have passed, the limit; {waiting}", self.settings.time);
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
                && env.chance.happens(Fault::Wake, probability)
                && let Some(any) = tasks.any(|end| env.chance.below(Fault::Wake, end))
            {
                tasks.queue(any);
            }
            let nth = match tasks.ready() {
                0 => return None,
                1 => None,
                ready if env.chance.is_on(Fault::Order) => {
                    let nth = env.chance.below(Fault::Order, ready);
                    if nth > 0 {
                        env.chance.counts.add(Fault::Order);
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
    fn poll(&self, mut turn: Turn, main: &mut Main<'_>) -> bool {
        let host = Host::new(&self.world, turn.host);
        let ended = host.enter(|| match &mut turn.future {
            Some(future) => future.as_mut().poll(&mut Context::from_waker(&turn.waker)).is_ready(),
            None => main(&turn.waker),
        });
        // What is dropped may lock.
        let _ended = self.world.lock().tasks.end(turn, ended);
        ended
    }

    /// Lets happen what is due.
    fn happen(&self) {
        loop {
            let due = self.world.lock().due();
            match due {
                Some(Event::Wake(waker)) => waker.wake(),
                Some(Event::Deliver(way)) => {
                    self.world.change(|state| state.net.deliver(&mut state.env, way));
                }
                Some(Event::Act(number)) => {
                    let action = self.actions().remove(&number);
                    if let Some(action) = action {
                        action(self);
                    }
                }
                None => break,
            }
        }
        loop {
            let due = {
                let state = &mut *self.world.lock();
                state.chaos.due(state.env.now, &mut state.env.chance)
            };
            match due {
                Some(Due::Begin(fault, ends)) => self.begin_fault(fault, ends),
                Some(Due::End(end)) => self.end(end),
                None => break,
            }
        }
    }

    fn begin_fault(&self, fault: Fault, ends: Instant) {
        let stopped = {
            let State { env, net, chaos, hosts, .. } = &mut *self.world.lock();
            let chance = &mut env.chance;
            match fault {
                Fault::Partition if hosts.len() > 1 => {
                    let one = chance.below(fault, hosts.len());
                    let other = chance.below(fault, hosts.len() - 1);
                    let other = if other < one { other } else { other + 1 };
                    chance.counts.add(fault);
                    env.note(Step::Part, one as u64, other as u64);
                    net.part(one, other);
                    chaos.end_at(ends, End::Heal(one, other));
                    None
                }
                Fault::Crash => {
                    let up = hosts.iter().enumerate();
                    let up = up.filter(|(_, host)| !host.programs.is_empty() && !host.down);
                    let up: Vec<HostId> = up.map(|(id, _)| id).collect();
                    if up.is_empty() {
                        None
                    } else {
                        let host = up[chance.below(fault, up.len())];
                        let loses_power = chance.below(fault, 2) == 0;
                        chaos.end_at(ends, End::Restart(host));
                        Some((host, loses_power))
                    }
                }
                _ => None,
            }
        };
        if let Some((host, loses_power)) = stopped {
            self.stop(host, loses_power);
        }
    }

    fn end(&self, end: End) {
        match end {
            End::Heal(one, other) => self.heal_between(one, other),
            End::Restart(host) => Host::new(&self.world, host).restart(),
        }
    }

    /// `waits`: so does the main future.
    fn explain(&self, main: &mut Main<'_>, waits: bool) -> Waiting {
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
        Waiting { at, tasks }
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
        drop(programs);
        // What is dropped may spawn.
        loop {
            let tasks = self.world.lock().tasks.clear();
            if tasks.is_empty() {
                return;
            }
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
