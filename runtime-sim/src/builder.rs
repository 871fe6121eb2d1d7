//! How simulations are made.

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

/// Makes a [`Sim`]. Nothing goes wrong unless told otherwise, but that tasks run in any order.
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

    /// What everything random derives from.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// How it is between all hosts that nothing else is said of, and from each host to itself.
    pub fn link(mut self, link: Link) -> Self {
        self.link = link;
        self
    }

    /// How it is between two hosts, in both directions. They need not be there yet.
    pub fn link_between(
        mut self,
        one: impl Into<String>,
        other: impl Into<String>,
        link: Link,
    ) -> Self {
        self.links.push((one.into(), other.into(), link));
        self
    }

    /// Lets nothing through between two hosts, any two, from time to time and for a while. What is sent meanwhile
    /// arrives later.
    pub fn partitions(mut self, every: impl Into<Delay>, lasts: impl Into<Delay>) -> Self {
        self.partitions = Some(Recurring { every: every.into(), lasts: lasts.into() });
        self
    }

    /// Stops a host, any that [runs a program](crate::Host::start), from time to time, and starts it again
    /// after a while. Every other time it loses power: then nobody is told.
    pub fn crashes(mut self, every: impl Into<Delay>, lasts: impl Into<Delay>) -> Self {
        self.crashes = Some(Recurring { every: every.into(), lasts: lasts.into() });
        self
    }

    /// How probable it is, with each poll, that another task is polled though nobody woke it.
    pub const fn spurious_wakes(mut self, probability: f64) -> Self {
        self.settings.spurious_wakes = probability;
        self
    }

    /// Switches a kind of fault off, whatever else is said of it.
    pub fn without(mut self, fault: Fault) -> Self {
        self.without.push(fault);
        self
    }

    /// How long a simulation may take, in its own time, before it ends with a panic: a day unless told otherwise.
    pub const fn max_time(mut self, time: Duration) -> Self {
        self.settings.time = time;
        self
    }

    /// How many polls may happen at one moment before the simulation ends with a panic: ten million unless
    /// told otherwise. Somebody polls for nothing, then.
    pub const fn max_polls(mut self, polls: u64) -> Self {
        self.settings.polls = polls;
        self
    }

    /// Lets code in the simulation panic with messages that contain `text`. Such a panic does what it does outside of
    /// simulations: a task ends, the caller of a method gets a failure. [`Sim::panics`] tells of it. All other panics fail the
    /// test, those of the test's own future in any case. To allow several texts, call this several times.
    pub fn allow_panics(mut self, text: impl Into<String>) -> Self {
        self.settings.allowed.push(text.into());
        self
    }

    /// The simulation.
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
    /// A simulation on a network without faults. The seed decides the order of everything.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::builder(seed).build()
    }

    /// A builder of simulations, for all faults that there are.
    pub fn builder(seed: u64) -> SimBuilder {
        SimBuilder::new(seed)
    }
}
