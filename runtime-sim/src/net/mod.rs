//! The network between the hosts.

mod dial;
mod stream;
mod way;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::Waker;

use aiomas_core::agent::Address;
use slab::Slab;

use crate::host::HostId;
use crate::link::Link;

pub use dial::Acceptor;
pub(crate) use dial::{dial, listen};
pub use stream::Stream;
use way::Way;

/// The network.
pub(crate) struct Net {
    connections: Connections,
    pub(crate) links: Links,
    listeners: BTreeMap<(HostId, Place), Backlog>,
    last_listener: u64,
    /// Between whom nothing gets through, and for how many reasons.
    partitions: BTreeMap<(HostId, HostId), u32>,
}

/// How it is between hosts.
pub(crate) struct Links {
    /// Where nothing else is said.
    others: Link,
    between: BTreeMap<(HostId, HostId), Link>,
}

/// All streams.
#[derive(Default)]
struct Connections {
    connections: Slab<Connection>,
    last_serial: u64,
}

/// A stream, with its two directions: the first is from the one who dialled.
struct Connection {
    /// Tells it from those that had its place before.
    serial: u64,
    hosts: [HostId; 2],
    ways: [Way; 2],
    /// What is at the other end of each end, for people.
    peers: [Arc<str>; 2],
    is_open: [bool; 2],
}

/// One direction of a stream, and with that the end that writes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WayId {
    connection: usize,
    serial: u64,
    from: usize,
}

/// Where somebody listens on a host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Port(u16),
    Path(Arc<str>),
}

/// Streams that wait to be accepted, as the ways that their acceptors write to.
#[derive(Debug)]
struct Backlog {
    serial: u64,
    streams: VecDeque<WayId>,
    waker: Option<Waker>,
}

impl Net {
    pub(crate) fn new(link: Link) -> Self {
        Self {
            connections: Connections::default(),
            links: Links { others: link, between: BTreeMap::new() },
            listeners: BTreeMap::new(),
            last_listener: 0,
            partitions: BTreeMap::new(),
        }
    }

    /// How many ends of streams somebody holds.
    pub(crate) fn ends(&self) -> usize {
        let connections = self.connections.connections.iter();
        let open = connections.flat_map(|(_, connection)| connection.is_open);
        open.filter(|open| *open).count()
    }

    pub(crate) fn is_partitioned(&self, one: HostId, other: HostId) -> bool {
        !self.partitions.is_empty()
            && self.partitions.contains_key(&(one.min(other), one.max(other)))
    }

    pub(crate) fn part(&mut self, one: HostId, other: HostId) {
        *self.partitions.entry((one.min(other), one.max(other))).or_default() += 1;
    }

    /// Takes one reason away.
    pub(crate) fn heal(&mut self, one: HostId, other: HostId) {
        let pair = (one.min(other), one.max(other));
        if let Some(reasons) = self.partitions.get_mut(&pair) {
            *reasons -= 1;
            if *reasons == 0 {
                self.partitions.remove(&pair);
            }
        }
    }

    /// Takes all reasons away, everywhere.
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

impl Connections {
    /// Opens a stream between two hosts. Returns the way from the first to the other.
    fn open(&mut self, hosts: [HostId; 2], peers: [Arc<str>; 2]) -> WayId {
        self.last_serial += 1;
        let serial = self.last_serial;
        let ways = <[Way; 2]>::default();
        let connection = Connection { serial, hosts, ways, peers, is_open: [true; 2] };
        WayId { connection: self.connections.insert(connection), serial, from: 0 }
    }

    fn get(&mut self, way: WayId) -> Option<&mut Connection> {
        let connection = self.connections.get_mut(way.connection)?;
        (connection.serial == way.serial).then_some(connection)
    }

    fn remove(&mut self, way: WayId) {
        if self.get(way).is_some() {
            self.connections.remove(way.connection);
        }
    }

    fn ways(&self) -> Vec<WayId> {
        let connections = self.connections.iter();
        let ways = connections.flat_map(|(connection, Connection { serial, .. })| {
            [0, 1].map(|from| WayId { connection, serial: *serial, from })
        });
        ways.collect()
    }
}

impl Connection {
    /// Who writes to a way, and who reads from it.
    const fn hosts(&self, way: WayId) -> (HostId, HostId) {
        (self.hosts[way.from], self.hosts[1 - way.from])
    }
}

impl WayId {
    const fn back(self) -> Self {
        Self { from: 1 - self.from, ..self }
    }

    const fn number(self) -> u64 {
        self.serial * 2 + self.from as u64
    }
}

impl Place {
    fn of(address: &Address) -> Option<Self> {
        match address {
            Address::Tcp { port, .. } => Some(Self::Port(*port)),
            Address::Ipc(path) => Some(Self::Path(path.clone())),
            _ => None,
        }
    }
}
