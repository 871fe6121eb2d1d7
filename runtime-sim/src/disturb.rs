//! Deliberate faults, and the start and end of random faults.

use std::time::Instant;

use crate::fault::Fault;
use crate::fault_plan::End;
use crate::host::Host;
use crate::link::Link;
use crate::net::HostId;
use crate::sim::Sim;
use crate::trace::Step;
use crate::world::State;

/// A host name that the simulation does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no host called {name:?} in this simulation")]
#[non_exhaustive]
pub struct UnknownHost {
    /// The unknown name.
    pub name: String,
}

impl Sim {
    /// Blocks all traffic between two hosts until the partition is [healed](Self::heal). Data sent
    /// during the partition arrives after it. Streams do not break, however long the partition
    /// lasts, and neither host receives a notice. For a dead peer that keep-alive detects, see
    /// [`power_off`](Self::power_off).
    ///
    /// # Errors
    /// One of the hosts is unknown.
    pub fn partition(&self, one: &str, other: &str) -> Result<(), UnknownHost> {
        let (one, other) = (self.find(one)?, self.find(other)?);
        let mut state = self.world.lock();
        state.env.note(Step::Part, one as u64, other as u64);
        state.env.rng.counts.add(Fault::Partition);
        state.net.part(one, other);
        Ok(())
    }

    /// Ends a [partition](Self::partition).
    ///
    /// # Errors
    /// One of the hosts is unknown.
    pub fn heal(&self, one: &str, other: &str) -> Result<(), UnknownHost> {
        let (one, other) = (self.find(one)?, self.find(other)?);
        self.heal_between(one, other);
        Ok(())
    }

    /// Ends all programs and tasks of a host, as if each were killed. Data sent before still
    /// arrives, followed by the end of each stream.
    ///
    /// # Errors
    /// The host is unknown.
    pub fn crash(&self, host: &str) -> Result<(), UnknownHost> {
        self.stop(self.find(host)?, false);
        Ok(())
    }

    /// Powers a host off without a trace. Its peers notice only once it is back and they send data,
    /// or after 2 × [`keep_alive`](aiomas_core::connection::Limits::keep_alive), when their streams
    /// break.
    ///
    /// # Errors
    /// The host is unknown.
    pub fn power_off(&self, host: &str) -> Result<(), UnknownHost> {
        self.stop(self.find(host)?, true);
        Ok(())
    }

    /// Starts the programs of a stopped host.
    ///
    /// # Errors
    /// The host is unknown.
    pub fn restart(&self, host: &str) -> Result<(), UnknownHost> {
        self.restart_host(self.find(host)?);
        Ok(())
    }

    /// Breaks all open streams.
    pub fn reset_streams(&self) {
        self.world.change(|state| state.net.cut_all(&mut state.env));
    }

    /// Replaces the link between two hosts, in both directions.
    ///
    /// # Errors
    /// One of the hosts is unknown.
    pub fn set_link(&self, one: &str, other: &str, link: Link) -> Result<(), UnknownHost> {
        self.set_link_of(self.find(one)?, self.find(other)?, link);
        Ok(())
    }

    pub(crate) fn set_link_of(&self, one: HostId, other: HostId, link: Link) {
        let links = &mut self.world.lock().net.links;
        links.set(one, other, link.clone());
        links.set(other, one, link);
    }

    /// Ends all faults: heals partitions, restarts hosts, and starts no new faults. Delays and
    /// bandwidth limits remain.
    pub fn calm(&self) {
        let down = self.world.change(|state| {
            state.env.rng.set_calm(true);
            state.fault_plan.stop();
            state.net.heal_all();
            state.net.deliver_all(&mut state.env);
            let down = state.hosts.iter().enumerate().filter(|(_, host)| host.down);
            down.map(|(id, _)| id).collect::<Vec<_>>()
        });
        down.into_iter().for_each(|host| self.restart_host(host));
    }

    /// Starts a random fault.
    pub(crate) fn begin_fault(&self, fault: Fault, ends: Instant) {
        let stopped = {
            let State { env, net, fault_plan, hosts, .. } = &mut *self.world.lock();
            let rng = &mut env.rng;
            match fault {
                Fault::Partition if hosts.len() > 1 => {
                    let one = rng.below(fault, hosts.len());
                    let other = rng.below(fault, hosts.len() - 1);
                    let other = if other < one { other } else { other + 1 };
                    rng.counts.add(fault);
                    env.note(Step::Part, one as u64, other as u64);
                    net.part(one, other);
                    fault_plan.end_at(ends, End::Heal(one, other));
                    None
                }
                Fault::Crash => {
                    let up = hosts.iter().enumerate();
                    let up = up.filter(|(_, host)| !host.programs.is_empty() && !host.down);
                    let up: Vec<HostId> = up.map(|(id, _)| id).collect();
                    if up.is_empty() {
                        None
                    } else {
                        let host = up[rng.below(fault, up.len())];
                        let loses_power = rng.below(fault, 2) == 0;
                        fault_plan.end_at(ends, End::Restart(host));
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

    /// Ends a random fault.
    pub(crate) fn end(&self, end: End) {
        match end {
            End::Heal(one, other) => self.heal_between(one, other),
            End::Restart(host) => self.restart_host(host),
        }
    }

    fn find(&self, name: &str) -> Result<HostId, UnknownHost> {
        let id = self.world.lock().net.host_by_name(name);
        id.ok_or_else(|| UnknownHost { name: name.to_owned() })
    }

    fn stop(&self, host: HostId, loses_power: bool) {
        self.world.lock().env.rng.counts.add(Fault::Crash);
        // A handle of the life that ends. A task spawned while the tasks of that life are dropped
        // is dropped, too.
        let host = Host::new(&self.world, host);
        let tasks = host.stop(loses_power);
        self.enter(host, || drop(tasks));
    }

    fn restart_host(&self, host: HostId) {
        let host = Host::new(&self.world, host);
        self.enter(host.clone(), || host.restart());
    }

    fn heal_between(&self, one: HostId, other: HostId) {
        self.world.change(|state| {
            state.env.note(Step::Heal, one as u64, other as u64);
            state.net.heal(one, other);
            state.net.deliver_all(&mut state.env);
        });
    }
}
