//! The state of a simulation, under one lock.

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

/// The state that all handles share.
pub(crate) struct World(Mutex<State>);

pub(crate) struct State {
    pub(crate) env: Env,
    pub(crate) net: Net,
    pub(crate) tasks: Tasks,
    /// The programs of each host of the network.
    pub(crate) hosts: Vec<Programs>,
    pub(crate) fault_plan: FaultPlan,
    /// The local names of this simulation, separate from other simulations and the process.
    pub(crate) local: LocalNames,
    pub(crate) panics: Panics,
    events: BTreeMap<EventKey, Event>,
    last_event: u64,
}

/// The programs of a host.
#[derive(Default)]
pub(crate) struct Programs {
    /// Counts stops of the host. Handles of an earlier life have no effect.
    pub(crate) life: u32,
    /// The programs have ended, and are not restarted yet.
    pub(crate) down: bool,
    pub(crate) programs: Vec<Arc<dyn Fn() -> BoxFuture + Send + Sync>>,
}

/// The panics of a simulation.
#[derive(Default)]
pub(crate) struct Panics {
    pub(crate) all: Vec<Panic>,
    /// The first panic that fails the simulation, until it is reported.
    pub(crate) fatal: Option<Panic>,
}

/// A scheduled event.
pub(crate) enum Event {
    /// A timer ends.
    Wake(Waker),
    /// Bytes arrive.
    Deliver(HalfStreamId),
    /// An action of the test, by its number.
    Act(u64),
}

/// Names a scheduled event.
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
        // A panic of a program ends the simulation, but the values dropped afterwards still need
        // the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and then applies the effects of the change.
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

    /// Returns the time of the next event. If only new random faults are left, it returns `None`
    /// unless they `count`.
    pub(crate) fn next_event(&self, count: bool) -> Option<Instant> {
        let event = self.events.first_key_value().map(|((at, _), _)| *at);
        let fault = self.fault_plan.next(count || event.is_some());
        event.into_iter().chain(fault).min()
    }

    /// Takes the first event, if it is due.
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
