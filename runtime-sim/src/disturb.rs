//! What goes wrong on purpose, how faults by chance begin, and how they end.

use std::time::Instant;

use crate::fault::Fault;
use crate::fault_plan::End;
use crate::host::Host;
use crate::link::Link;
use crate::net::HostId;
use crate::sim::Sim;
use crate::trace::Step;
use crate::world::State;

/// There is no such host.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no host called {name:?} in this simulation")]
#[non_exhaustive]
pub struct UnknownHost {
    /// What it was called.
    pub name: String,
}

impl Sim {
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
        state.env.rng.counts.add(Fault::Partition);
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
        self.restart_host(self.find(host)?);
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
            state.env.rng.set_calm(true);
            state.fault_plan.stop();
            state.net.heal_all();
            state.net.deliver_all(&mut state.env);
            let down = state.hosts.iter().enumerate().filter(|(_, host)| host.down);
            down.map(|(id, _)| id).collect::<Vec<_>>()
        });
        down.into_iter().for_each(|host| self.restart_host(host));
    }

    /// Begins what happens by chance.
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

    /// Ends it.
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
        // A handle of the life that ends: what is spawned while its tasks are dropped is dropped, too.
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
