//! The builder of simulations.

use std::time::Duration;

use crate::delay::Delay;
use crate::fault::Fault;
use crate::fault_plan::Recurring;
use crate::link::Link;
use crate::net::{Env, Net};
use crate::rng::Rng;
use crate::sim::{Settings, Sim};
use crate::trace::Trace;
use crate::world::World;

/// Builds a [`Sim`]. Unless set otherwise, the only random part is the order of tasks.
#[derive(Clone, Debug)]
#[must_use = "nothing happens until it is built"]
pub struct SimBuilder {
    seed: u64,
    link: Link,
    links: Vec<(String, String, Link)>,
    partitions: Option<Recurring>,
    crashes: Option<Recurring>,
    without: Vec<Fault>,
    settings: Settings,
}

impl SimBuilder {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed,
            link: Link::new(),
            links: Vec::new(),
            partitions: None,
            crashes: None,
            without: Vec::new(),
            settings: Settings {
                time: Duration::from_secs(24 * 60 * 60),
                polls: 10_000_000,
                spurious_wakes: 0.0,
                allowed: Vec::new(),
            },
        }
    }

    /// Returns the seed of all random numbers.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// Sets the default link: between hosts without a link of their own, and from each host to
    /// itself.
    pub fn link(mut self, link: Link) -> Self {
        self.link = link;
        self
    }

    /// Sets the link between two hosts, in both directions. The hosts need not exist yet.
    pub fn link_between(
        mut self,
        one: impl Into<String>,
        other: impl Into<String>,
        link: Link,
    ) -> Self {
        self.links.push((one.into(), other.into(), link));
        self
    }

    /// Partitions a random pair of hosts at random times. Data sent during a partition arrives
    /// after it.
    pub fn partitions(mut self, every: impl Into<Delay>, lasts: impl Into<Delay>) -> Self {
        self.partitions = Some(Recurring { every: every.into(), lasts: lasts.into() });
        self
    }

    /// Crashes a random host that [runs a program](crate::Host::start), and restarts it after a
    /// while. In half of the crashes the host loses power, and its peers receive no notice.
    pub fn crashes(mut self, every: impl Into<Delay>, lasts: impl Into<Delay>) -> Self {
        self.crashes = Some(Recurring { every: every.into(), lasts: lasts.into() });
        self
    }

    /// Sets the probability, at each poll, that another task is polled without a wake-up.
    pub const fn spurious_wakes(mut self, probability: f64) -> Self {
        self.settings.spurious_wakes = probability;
        self
    }

    /// Switches a kind of fault off, regardless of all other settings.
    pub fn without(mut self, fault: Fault) -> Self {
        self.without.push(fault);
        self
    }

    /// Sets the limit of virtual time, at which the simulation panics. The default is one day.
    pub const fn max_time(mut self, time: Duration) -> Self {
        self.settings.time = time;
        self
    }

    /// Sets how many polls may happen at one moment before the simulation panics. The default is
    /// 10,000,000. A simulation that reaches this limit contains a busy loop.
    pub const fn max_polls(mut self, polls: u64) -> Self {
        self.settings.polls = polls;
        self
    }

    /// Permits panics whose message contains `text`. Such a panic has the same effect as outside of
    /// simulations: a task ends, or the caller of a method receives a failure. [`Sim::panics`]
    /// lists it. All other panics fail the test, as do all panics of the test's own future. Call
    /// this several times to permit several texts.
    pub fn allow_panics(mut self, text: impl Into<String>) -> Self {
        self.settings.allowed.push(text.into());
        self
    }

    /// Builds the simulation.
    #[must_use]
    pub fn build(self) -> Sim {
        let env = Env::new(Rng::new(self.seed, &self.without), Trace::new(self.seed));
        let world = World::new(env, Net::new(self.link));
        {
            let state = &mut *world.lock();
            let Env { now, rng, .. } = &mut state.env;
            state.fault_plan.start(*now, rng, self.partitions, self.crashes);
        }
        let sim = Sim::new_in(world, self.seed, self.settings);
        for (one, other, link) in self.links {
            sim.set_link_of(sim.host(&one).id, sim.host(&other).id, link);
        }
        sim
    }
}

impl Sim {
    /// Creates a simulation on a network without faults. The seed decides the order of all events.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::builder(seed).build()
    }

    /// Returns a builder of simulations, with settings for all faults.
    pub fn builder(seed: u64) -> SimBuilder {
        SimBuilder::new(seed)
    }
}
