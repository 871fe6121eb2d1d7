//! Streams and their ends.

use std::sync::Arc;

use slab::Slab;

use super::half_stream::HalfStream;

/// The index of a host in a simulation.
pub(crate) type HostId = usize;

/// All streams.
#[derive(Default)]
pub(super) struct Connections {
    connections: Slab<Connection>,
    last_serial: u64,
}

/// A stream with its two directions. The first direction is from the client to the server.
pub(super) struct Connection {
    /// Distinguishes this stream from earlier ones with the same index.
    serial: u64,
    pub(super) hosts: [HostId; 2],
    pub(super) half_streams: [HalfStream; 2],
    /// The display name of each end's peer.
    pub(super) peers: [Arc<str>; 2],
    pub(super) is_open: [bool; 2],
}

/// Names one direction of a stream, and thereby the end that writes to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HalfStreamId {
    connection: usize,
    serial: u64,
    pub(super) from: usize,
}

impl Connections {
    /// Counts the ends with a handle.
    pub(super) fn ends(&self) -> usize {
        let open = self.connections.iter().flat_map(|(_, connection)| connection.is_open);
        open.filter(|open| *open).count()
    }

    /// Opens a stream between two hosts. Returns the half stream from the first to the second.
    pub(super) fn open(&mut self, hosts: [HostId; 2], peers: [Arc<str>; 2]) -> HalfStreamId {
        self.last_serial += 1;
        let serial = self.last_serial;
        let half_streams = <[HalfStream; 2]>::default();
        let connection = Connection { serial, hosts, half_streams, peers, is_open: [true; 2] };
        HalfStreamId { connection: self.connections.insert(connection), serial, from: 0 }
    }

    pub(super) fn get(&mut self, half_stream: HalfStreamId) -> Option<&mut Connection> {
        let connection = self.connections.get_mut(half_stream.connection)?;
        (connection.serial == half_stream.serial).then_some(connection)
    }

    pub(super) fn remove(&mut self, half_stream: HalfStreamId) {
        if self.get(half_stream).is_some() {
            self.connections.remove(half_stream.connection);
        }
    }

    pub(super) fn half_streams(&self) -> Vec<HalfStreamId> {
        let connections = self.connections.iter();
        let half_streams = connections.flat_map(|(connection, Connection { serial, .. })| {
            [0, 1].map(|from| HalfStreamId { connection, serial: *serial, from })
        });
        half_streams.collect()
    }
}

impl Connection {
    /// Returns the writer and the reader of a half stream.
    pub(super) const fn hosts(&self, half_stream: HalfStreamId) -> (HostId, HostId) {
        (self.hosts[half_stream.from], self.hosts[1 - half_stream.from])
    }
}

impl HalfStreamId {
    pub(crate) const fn back(self) -> Self {
        Self { from: 1 - self.from, ..self }
    }

    pub(super) const fn number(self) -> u64 {
        self.serial * 2 + self.from as u64
    }
}
