//! The network: its hosts and the links between them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bind_addr::{Backlog, BindAddr};
use super::connection::{Connections, HalfStreamId, HostId};
use crate::link::Link;

/// The environment of network events.
pub(crate) type Env = crate::env::Env<HalfStreamId>;

/// The network.
pub(crate) struct Net {
    pub(super) hosts: Vec<Machine>,
    pub(super) connections: Connections,
    pub(crate) links: Links,
    pub(super) listeners: BTreeMap<(HostId, BindAddr), Backlog>,
    pub(super) last_listener: u64,
    /// Blocked pairs of hosts, with the number of reasons for each.
    partitions: BTreeMap<(HostId, HostId), u32>,
}

/// The network's view of a host.
pub(super) struct Machine {
    pub(super) name: Arc<str>,
    /// Without power: no data leaves or reaches the host.
    pub(super) dark: bool,
    pub(super) last_port: u16,
}

/// The links between hosts.
pub(crate) struct Links {
    /// The default link.
    others: Link,
    between: BTreeMap<(HostId, HostId), Link>,
}

impl Net {
    pub(crate) fn new(link: Link) -> Self {
        Self {
            hosts: Vec::new(),
            connections: Connections::default(),
            links: Links { others: link, between: BTreeMap::new() },
            listeners: BTreeMap::new(),
            last_listener: 0,
            partitions: BTreeMap::new(),
        }
    }

    pub(crate) fn add_host(&mut self, name: &str) -> HostId {
        self.hosts.push(Machine { name: name.into(), dark: false, last_port: 49_151 });
        self.hosts.len() - 1
    }

    pub(crate) fn host_by_name(&self, name: &str) -> Option<HostId> {
        self.hosts.iter().position(|host| *host.name == *name)
    }

    pub(crate) fn name(&self, host: HostId) -> &Arc<str> {
        &self.hosts[host].name
    }

    pub(crate) fn set_dark(&mut self, host: HostId, dark: bool) {
        self.hosts[host].dark = dark;
    }

    /// Returns the name of a stream's peer.
    pub(crate) fn peer(&mut self, half_stream: HalfStreamId) -> Option<Arc<str>> {
        self.connections
            .get(half_stream)
            .map(|connection| connection.peers[half_stream.from].clone())
    }

    /// Returns whether traffic from one host to another is blocked.
    pub(super) fn is_cut(&self, from: HostId, to: HostId) -> bool {
        self.hosts[from].dark || self.hosts[to].dark || self.is_partitioned(from, to)
    }

    /// Counts the ends of streams with a handle.
    pub(crate) fn ends(&self) -> usize {
        self.connections.ends()
    }

    fn is_partitioned(&self, one: HostId, other: HostId) -> bool {
        !self.partitions.is_empty()
            && self.partitions.contains_key(&(one.min(other), one.max(other)))
    }

    pub(crate) fn part(&mut self, one: HostId, other: HostId) {
        *self.partitions.entry((one.min(other), one.max(other))).or_default() += 1;
    }

    /// Removes one reason for which two hosts are cut off.
    pub(crate) fn heal(&mut self, one: HostId, other: HostId) {
        let pair = (one.min(other), one.max(other));
        if let Some(reasons) = self.partitions.get_mut(&pair) {
            *reasons -= 1;
            if *reasons == 0 {
                self.partitions.remove(&pair);
            }
        }
    }

    /// Removes all reasons, for all pairs.
    pub(crate) fn heal_all(&mut self) {
        self.partitions.clear();
    }
}

impl Links {
    pub(crate) fn between(&self, from: HostId, to: HostId) -> &Link {
        if self.between.is_empty() {
            return &self.others;
        }
        self.between.get(&(from, to)).unwrap_or(&self.others)
    }

    pub(crate) fn set(&mut self, from: HostId, to: HostId, link: Link) {
        self.between.insert((from, to), link);
    }
}
