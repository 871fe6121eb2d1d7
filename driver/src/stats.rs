//! Counts over all connections of a server or a container, and over its agents.

use std::sync::Arc;

use super::connection::Connection;
use aiomas_core::connection::{AdmissionStats, CloseReason, Stats};

/// Counts over all connections of a server or container: the open ones and, unless stated otherwise, the closed ones.
///
/// The connections are counted one after the other, so concurrent calls may be in one count and not in another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connections {
    /// The number of open connections.
    pub open: usize,
    /// The number of closed connections, for any reason.
    pub closed: u64,
    /// The number of lost connections among the closed ones: neither side has closed them in good order. See
    /// [`CloseReason`].
    pub lost: u64,
    /// Unanswered calls of peers, on open connections.
    pub calls_in: usize,
    /// Our unanswered calls, on open connections.
    pub calls_out: usize,
    /// Bytes that wait to be written, on open connections.
    pub bytes_queued: usize,
    /// Counters of the traffic.
    pub stats: Stats,
}

impl Connections {
    /// Counts a closed connection with its traffic.
    pub(super) fn end(&mut self, reason: &CloseReason, stats: Stats) {
        self.closed += 1;
        self.lost += u64::from(!matches!(reason, CloseReason::Local | CloseReason::Peer));
        self.stats += stats;
    }

    /// Adds the open connections.
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

/// Current and total counts of a container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContainerStats {
    /// The number of hosted agents.
    pub agents: usize,
    /// The number of calls that wait for a busy agent.
    pub waiting: usize,
    /// The number of pending calls between its own agents that did not complete at once.
    pub local_calls: usize,
    /// The number of dial attempts.
    pub dials: u64,
    /// The number of failed dial attempts, timeouts included.
    pub failed_dials: u64,
    /// Counts of accepted and refused connections.
    pub admission: AdmissionStats,
    /// Counts over all connections, dialled and accepted.
    pub connections: Connections,
}
