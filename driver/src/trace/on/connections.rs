//! Events of connections, dial attempts and refused peers.

use std::fmt::{self, Display};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tracing::{Level, debug, enabled, info, warn};

use super::rate;
use super::timed::{peer, safe, seconds, shown};
use crate::connection::Connection;
use crate::host::Host;
use aiomas_core::agent::Address;
use aiomas_core::connection::{
    CallRejected, CloseReason, Connection as Machine, Stats, TimeoutReason,
};
use aiomas_core::wire::Printable;

const CONNECTION: &str = "aiomas::connection";
const DIAL: &str = "aiomas::dial";
const ADMISSION: &str = "aiomas::admission";

pub(crate) fn opened(connection: &Connection) {
    let (peer, id) = (peer(connection.caller()), connection.id());
    if enabled!(target: CONNECTION, Level::INFO)
        && let Some(left_out) = rate::info(&*connection.host(), connection.peer(), "opened")
    {
        let side = connection.look(|machine| machine.side());
        info!(target: CONNECTION, peer, connection = id, ?side, left_out, "opened");
    }
}

pub(crate) fn closed(connection: &Connection, reason: &CloseReason) {
    if !enabled!(target: CONNECTION, Level::WARN) {
        return;
    }
    let (peer, id) = (peer(connection.caller()), connection.id());
    let (opened, Stats { bytes_in, bytes_out, .. }) =
        connection.look(|machine| (machine.opened(), machine.stats()));
    let elapsed = connection.now().saturating_duration_since(opened).as_secs_f64();
    let limit = reason.exceeded().map(|exceeded| exceeded.setting);
    if is_misconduct(reason) {
        if let Some(left_out) = rate::warning(&*connection.host(), connection.peer(), "closed") {
            warn!(target: CONNECTION, peer, connection = id, elapsed, bytes_in, bytes_out, limit, %reason, left_out, "closed");
        }
    } else if let Some(left_out) = rate::info(&*connection.host(), connection.peer(), "closed") {
        info!(target: CONNECTION, peer, connection = id, elapsed, bytes_in, bytes_out, limit, %reason, left_out, "closed");
    }
}

/// Returns whether the reason proves misconduct: a peer that obeys the protocol never causes it, on any network.
fn is_misconduct(reason: &CloseReason) -> bool {
    match reason {
        CloseReason::Local
        | CloseReason::Peer
        | CloseReason::Truncated { .. }
        | CloseReason::Broken(_) => false,
        CloseReason::TimedOut(reason) => {
            matches!(
                reason,
                TimeoutReason::Handshake { .. }
                    | TimeoutReason::FirstFrame { .. }
                    | TimeoutReason::Frame { .. }
            )
        }
        _ => true,
    }
}

/// Observations of a connection's task under its lock, reported after the lock is released.
#[derive(Default)]
pub(crate) struct Noticed {
    seen: Stats,
    told: Stats,
    answers: Answers,
}

/// Counts of unsent answers.
#[derive(Default)]
struct Answers {
    /// Answers that no peer waits for.
    dropped: u64,
    /// Answers not sent for other reasons, with the last reason.
    refused: u64,
    why: Option<CallRejected>,
}

impl Answers {
    fn note(&mut self, sent: &Result<(), CallRejected>) {
        match sent {
            Ok(()) => {}
            Err(CallRejected::Closed | CallRejected::Cancelled) => self.dropped += 1,
            Err(why) => {
                self.refused += 1;
                self.why = Some(why.clone());
            }
        }
    }

    fn tell(&mut self, connection: &Connection) {
        let (peer, id) = (|| peer(connection.caller()), connection.id());
        let Self { dropped, refused, why } = std::mem::take(self);
        if dropped > 0 {
            debug!(target: CONNECTION, peer = peer(), connection = id, count = dropped, "answers dropped");
        }
        if let Some(why) = why
            && let Some(left_out) =
                rate::warning(&*connection.host(), connection.peer(), "answers not sent")
        {
            let (count, limit) = (refused, why.exceeded().map(|exceeded| exceeded.setting));
            warn!(target: CONNECTION, peer = peer(), connection = id, count, limit, error = %why, left_out, "answers not sent");
        }
    }
}

/// Reports the outcome of sending an answer.
#[inline]
pub(crate) fn responded(connection: &Connection, sent: &Result<(), CallRejected>) {
    if sent.is_err() {
        let mut answers = Answers::default();
        answers.note(sent);
        answers.tell(connection);
    }
}

impl Noticed {
    pub(crate) fn look<X>(&mut self, machine: &Machine<X>) {
        self.seen = machine.stats();
    }

    pub(crate) fn sent(&mut self, sent: &Result<(), CallRejected>) {
        self.answers.note(sent);
    }

    /// Emits at most one event of each kind, with a count.
    pub(crate) fn tell(&mut self, connection: &Connection) {
        let (Stats { overloaded, late_answers, .. }, told) = (self.seen, self.told);
        self.told = self.seen;
        let (peer, id) = (|| peer(connection.caller()), connection.id());
        let count = overloaded - told.overloaded;
        if count > 0
            && let Some(left_out) =
                rate::warning(&*connection.host(), connection.peer(), "requests refused")
        {
            let limit = "Limits::max_calls_in or max_input_bytes";
            warn!(target: CONNECTION, peer = peer(), connection = id, count, limit, left_out, "requests refused");
        }
        let count = late_answers - told.late_answers;
        if count > 0 {
            debug!(target: CONNECTION, peer = peer(), connection = id, count, "late answers ignored");
        }
        self.answers.tell(connection);
    }
}

/// The span of a dial attempt.
pub(crate) struct Dial(Option<Dialling>);

struct Dialling {
    address: Address,
    attempt: u32,
    since: Instant,
    host: Arc<dyn Host>,
}

/// Prints the address safely, because it may come from a peer.
impl Display for Dialling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Printable(&self.address).fmt(f)
    }
}

impl Dial {
    pub(crate) fn start(
        host: impl FnOnce() -> Arc<dyn Host>,
        address: &Address,
        attempt: impl FnOnce() -> u32,
    ) -> Self {
        if !enabled!(target: DIAL, Level::INFO) {
            return Self(None);
        }
        let (host, address, attempt) = (host(), address.clone(), attempt());
        let dial = Dialling { address, attempt, since: host.now(), host };
        debug!(target: DIAL, peer = %dial, attempt, "dialling");
        Self(Some(dial))
    }

    /// Returns the time until the next attempt, which starts at the time from `next`.
    pub(crate) fn wait(
        &self,
        now: Instant,
        next: impl FnOnce(&Address) -> Option<Instant>,
    ) -> Option<Duration> {
        Some(next(&self.0.as_ref()?.address)?.saturating_duration_since(now))
    }

    pub(crate) fn opened(mut self) {
        if let Some(dial) = self.0.take() {
            let elapsed = seconds(&*dial.host, dial.since);
            debug!(target: DIAL, peer = %dial, attempt = dial.attempt, elapsed, "opened");
        }
    }

    pub(crate) fn failed(mut self, error: &dyn Display, wait: Option<Duration>) {
        if let Some(dial) = self.0.take() {
            let elapsed = seconds(&*dial.host, dial.since);
            let (error, wait) = (safe(error), wait.map(|wait| wait.as_secs_f64()));
            info!(target: DIAL, peer = %dial, attempt = dial.attempt, elapsed, %error, wait, "failed");
        }
    }
}

impl Drop for Dial {
    fn drop(&mut self) {
        if let Some(dial) = self.0.take() {
            let elapsed = seconds(&*dial.host, dial.since);
            info!(target: DIAL, peer = %dial, attempt = dial.attempt, elapsed, "given up, or too slow");
        }
    }
}

/// Reports a refused peer.
#[cold]
pub(crate) fn refused(host: &dyn Host, peer: impl FnOnce() -> Option<String>, why: &dyn Display) {
    if !enabled!(target: ADMISSION, Level::WARN) {
        return;
    }
    let (peer, error) = (peer(), safe(why));
    if let Some(left_out) = rate::warning(host, peer.as_deref(), "not admitted") {
        warn!(target: ADMISSION, peer = shown(peer.as_deref()), %error, left_out, "refused");
    }
}

/// Warns of a listener that only seems reachable from other machines.
#[cfg(feature = "sockets")]
#[cold]
pub(crate) fn loopback_only(address: &Address, ip: std::net::IpAddr, cure: &str) {
    let address = safe(address);
    warn!(target: ADMISSION, %address, %ip, cure, "only this machine reaches the listener");
}

/// Reports that the system has no stream for a new peer.
#[cold]
pub(crate) fn no_stream(error: &std::io::Error) {
    warn!(target: ADMISSION, %error, "no stream");
}
