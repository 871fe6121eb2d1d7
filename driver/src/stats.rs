//! Counts of all connections of a server or a container, and of what lives in it.

use std::sync::Arc;

use super::connection::Connection;
use aiomas_core::connection::{AdmissionStats, CloseReason, Stats};

/// Counts of all connections of a server or container: those that there are, and, where nothing else is said,
/// those that there were.
///
/// They are counted one after the other, so calls that are made meanwhile may be in one count and not in another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connections {
    /// How many there are.
    pub open: usize,
    /// How many have ended, for whatever reason.
    pub closed: u64,
    /// How many of these were lost: neither side has closed them in good order. See
    /// [`CloseReason`].
    pub lost: u64,
    /// Calls of peers that have not been answered, on those that there are.
    pub calls_in: usize,
    /// Our calls that have not been answered, on those that there are.
    pub calls_out: usize,
    /// Bytes that wait to be written, on those that there are.
    pub bytes_queued: usize,
    /// What went over them.
    pub stats: Stats,
}

impl Connections {
    /// One has ended, over which that has gone.
    pub(super) fn end(&mut self, reason: &CloseReason, stats: Stats) {
        self.closed += 1;
        self.lost += u64::from(!matches!(reason, CloseReason::Local | CloseReason::Peer));
        self.stats += stats;
    }

    /// Adds those that there are.
    pub(super) fn with(mut self, connections: &[Arc<Connection>]) -> Self {
        self.open = connections.len();
        for connection in connections {
            connection.look(|machine| {
                self.calls_in += machine.calls_in();
                self.calls_out += machine.calls_out();
                self.bytes_queued += machine.bytes_queued();
                self.stats += machine.stats();
            });
        }
        self
    }
}

/// What a container does at present, and has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContainerStats {
    /// How many agents live in it.
    pub agents: usize,
    /// How many calls wait for their turn at an agent that is busy.
    pub waiting: usize,
    /// How many calls between its own agents were not done at once, and have not ended.
    pub local_calls: usize,
    /// Attempts to open a connection.
    pub dials: u64,
    /// How many of these have failed, by themselves or because they took too long.
    pub failed_dials: u64,
    /// Connections that came in: let in and refused.
    pub admission: AdmissionStats,
    /// All connections, whoever has opened them.
    pub connections: Connections,
}
