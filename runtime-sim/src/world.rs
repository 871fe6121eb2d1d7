//! All that a simulation consists of, under one lock.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

use aiomas_core::driver::LocalNames;

use crate::chance::Chance;
use crate::chaos::Chaos;
use crate::fault::Fault;
use crate::host::{HostId, HostState};
use crate::link::Link;
use crate::net::{Net, WayId};
use crate::tasks::Tasks;
use crate::trace::{Step, Trace};

/// What all handles share.
pub(crate) struct World(Mutex<State>);

pub(crate) struct State {
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    pub(crate) tasks: Tasks,
    events: BTreeMap<(Instant, u64), Event>,
    last_event: u64,
    pub(crate) hosts: Vec<HostState>,
    pub(crate) net: Net,
    pub(crate) chance: Chance,
    pub(crate) chaos: Chaos,
    pub(crate) trace: Trace,
    pub(crate) spurious_wakes: f64,
    /// The names of this simulation, apart from those of others and of the process.
    pub(crate) local: LocalNames,
}

/// What happens at a time.
pub(crate) enum Event {
    /// A timer ends.
    Wake(Waker),
    /// Bytes arrive.
    Deliver(WayId),
    /// What the test wants to happen.
    Do(Action),
}

pub(crate) type Action = Box<dyn FnOnce(&crate::Sim) + Send>;

/// Names a timer that is set.
pub(crate) type EventKey = (Instant, u64);

/// Whoever can go on, to be woken without the lock.
pub(crate) type Wakers = Vec<Waker>;

impl World {
    pub(crate) fn new(
        chance: Chance,
        chaos: Chaos,
        trace: Trace,
        spurious_wakes: f64,
        link: Link,
    ) -> Arc<Self> {
        let start = Instant::now();
        Arc::new_cyclic(|world: &Weak<Self>| {
            Self(Mutex::new(State {
                start,
                now: start,
                tasks: Tasks::new(world.clone()),
                events: BTreeMap::new(),
                last_event: 0,
                hosts: Vec::new(),
                net: Net::new(link),
                chance,
                chaos,
                trace,
                spurious_wakes,
                local: LocalNames::default(),
            }))
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A program that panics ends the simulation, not what is dropped because of it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something, and then wakes whoever can go on because of it.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State, &mut Wakers) -> T) -> T {
        let mut wakers = Wakers::new();
        let result = change(&mut self.lock(), &mut wakers);
        wakers.into_iter().for_each(Waker::wake);
        result
    }
}

impl State {
    pub(crate) fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    pub(crate) fn note(&mut self, step: Step, what: u64, how_much: u64) {
        self.trace.note(step, what, how_much);
    }

    pub(crate) fn schedule(&mut self, at: Instant, event: Event) -> EventKey {
        self.last_event += 1;
        let key = (at, self.last_event);
        self.events.insert(key, event);
        key
    }

    pub(crate) fn cancel(&mut self, key: EventKey) -> Option<Event> {
        self.events.remove(&key)
    }

    /// When something happens next. When only new faults are to come, nothing is, unless they `count`.
    pub(crate) fn next_event(&self, count: bool) -> Option<Instant> {
        let event = self.events.first_key_value().map(|((at, _), _)| *at);
        let fault = self.chaos.next(count || event.is_some());
        event.into_iter().chain(fault).min()
    }

    pub(crate) fn advance_to(&mut self, at: Instant) {
        if at > self.now {
            self.now = at;
            let nanos = self.elapsed().as_nanos() as u64;
            self.note(Step::Time, 0, nanos);
        }
    }

    /// The first event, if it is due.
    pub(crate) fn due(&mut self) -> Option<Event> {
        let first = self.events.first_entry()?;
        if first.key().0 > self.now { None } else { Some(first.remove()) }
    }

    pub(crate) fn host_by_name(&self, name: &str) -> Option<HostId> {
        self.hosts.iter().position(|host| *host.name == *name)
    }

    /// Whether nothing gets through from one host to another.
    pub(crate) fn is_cut(&self, from: HostId, to: HostId) -> bool {
        self.hosts[from].dark || self.hosts[to].dark || self.net.is_partitioned(from, to)
    }

    /// How long a message without content takes.
    pub(crate) fn latency(&mut self, from: HostId, to: HostId) -> Duration {
        let Self { chance, net, .. } = self;
        chance.time(Fault::Latency, &net.links.between(from, to).latency)
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}
