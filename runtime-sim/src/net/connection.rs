//! Streams and their ends.

use std::sync::Arc;

use slab::Slab;

use super::way::Way;

/// Which host of a simulation.
pub(crate) type HostId = usize;

/// All streams.
#[derive(Default)]
pub(super) struct Connections {
    connections: Slab<Connection>,
    last_serial: u64,
}

/// A stream, with its two directions: the first is from the one who dialled.
pub(super) struct Connection {
    /// Tells it from those that had its place before.
    serial: u64,
    pub(super) hosts: [HostId; 2],
    pub(super) ways: [Way; 2],
    /// What is at the other end of each end, for people.
    pub(super) peers: [Arc<str>; 2],
    pub(super) is_open: [bool; 2],
}

/// One direction of a stream, and with that the end that writes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WayId {
    connection: usize,
    serial: u64,
    pub(super) from: usize,
}

impl Connections {
    /// How many ends somebody holds.
    pub(super) fn ends(&self) -> usize {
        let open = self.connections.iter().flat_map(|(_, connection)| connection.is_open);
        open.filter(|open| *open).count()
    }

    /// Opens a stream between two hosts. Returns the way from the first to the other.
    pub(super) fn open(&mut self, hosts: [HostId; 2], peers: [Arc<str>; 2]) -> WayId {
        self.last_serial += 1;
        let serial = self.last_serial;
        let ways = <[Way; 2]>::default();
        let connection = Connection { serial, hosts, ways, peers, is_open: [true; 2] };
        WayId { connection: self.connections.insert(connection), serial, from: 0 }
    }

    pub(super) fn get(&mut self, way: WayId) -> Option<&mut Connection> {
        let connection = self.connections.get_mut(way.connection)?;
        (connection.serial == way.serial).then_some(connection)
    }

    pub(super) fn remove(&mut self, way: WayId) {
        if self.get(way).is_some() {
            self.connections.remove(way.connection);
        }
    }

    pub(super) fn ways(&self) -> Vec<WayId> {
        let connections = self.connections.iter();
        let ways = connections.flat_map(|(connection, Connection { serial, .. })| {
            [0, 1].map(|from| WayId { connection, serial: *serial, from })
        });
        ways.collect()
    }
}

impl Connection {
    /// Who writes to a way, and who reads from it.
    pub(super) const fn hosts(&self, way: WayId) -> (HostId, HostId) {
        (self.hosts[way.from], self.hosts[1 - way.from])
    }
}

impl WayId {
    pub(crate) const fn back(self) -> Self {
        Self { from: 1 - self.from, ..self }
    }

    pub(super) const fn number(self) -> u64 {
        self.serial * 2 + self.from as u64
    }
}
