//! All that a simulation consists of, under one lock.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;
use std::time::Instant;

use aiomas::LocalNames;

use crate::fault_plan::FaultPlan;
use crate::net::{Env, HalfStreamId, HostId, Net};
use crate::panics::Panic;
use crate::tasks::{BoxFuture, Tasks, Wakes};

/// What all handles share.
pub(crate) struct World(Mutex<State>);

pub(crate) struct State {
    pub(crate) env: Env,
    pub(crate) net: Net,
    pub(crate) tasks: Tasks,
    /// What runs on the hosts of the network.
    pub(crate) hosts: Vec<Programs>,
    pub(crate) fault_plan: FaultPlan,
    /// The names of this simulation, apart from those of others and of the process.
    pub(crate) local: LocalNames,
    pub(crate) panics: Panics,
    events: BTreeMap<EventKey, Event>,
    last_event: u64,
}

/// What runs on a host.
#[derive(Default)]
pub(crate) struct Programs {
    /// Counts how often they have been stopped. What is of an earlier life does nothing any more.
    pub(crate) life: u32,
    /// They have ended, and are not started yet.
    pub(crate) down: bool,
    pub(crate) programs: Vec<Arc<dyn Fn() -> BoxFuture + Send + Sync>>,
}

/// What has panicked.
#[derive(Default)]
pub(crate) struct Panics {
    pub(crate) all: Vec<Panic>,
    /// The first one that fails the simulation, until it has.
    pub(crate) fatal: Option<Panic>,
}

/// What happens at a time.
pub(crate) enum Event {
    /// A timer ends.
    Wake(Waker),
    /// Bytes arrive.
    Deliver(HalfStreamId),
    /// What the test wants to happen, by a number.
    Act(u64),
}

/// Names something that is to happen.
pub(crate) type EventKey = (Instant, u64);

impl World {
    pub(crate) fn new(env: Env, net: Net) -> Arc<Self> {
        Arc::new_cyclic(|world: &Weak<Self>| {
            Self(Mutex::new(State {
                env,
                net,
                tasks: Tasks::new(world.clone()),
                hosts: Vec::new(),
                fault_plan: FaultPlan::default(),
                local: LocalNames::default(),
                panics: Panics::default(),
                events: BTreeMap::new(),
                last_event: 0,
            }))
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // A program that panics ends the simulation, not what is dropped because of it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes something, and sees to what follows.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let (result, wakers) = {
            let state = &mut *self.lock();
            let result = change(state);
            while let Some((at, half_stream)) = state.env.arrivals.pop() {
                state.schedule(at, Event::Deliver(half_stream));
            }
            (result, std::mem::take(&mut state.env.wakers))
        };
        wakers.into_iter().for_each(Waker::wake);
        result
    }
}

impl Wakes for World {
    fn wake(&self, task: usize, turn: u64) {
        self.lock().tasks.wake(task, turn);
    }
}

impl State {
    pub(crate) fn add_host(&mut self, name: &str) -> HostId {
        self.hosts.push(Programs::default());
        self.net.add_host(name)
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
        let fault = self.fault_plan.next(count || event.is_some());
        event.into_iter().chain(fault).min()
    }

    /// The first event, if it is due.
    pub(crate) fn due(&mut self) -> Option<Event> {
        let first = self.events.first_entry()?;
        if first.key().0 > self.env.now { None } else { Some(first.remove()) }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}
