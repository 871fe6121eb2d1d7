//! Detection of dead peers: heartbeats, and timeouts of calls during silence.
//!
//! A stalled process keeps its streams open: its system acknowledges data, so neither the system's keep-alive nor its
//! retransmissions notice. Peers that have both named the extension Heartbeat in Hello probe each other:
//! `[5, 0, null]` is the question, `[5, 1, null]` the answer. A side asks when no data has arrived for
//! [`Limits::keep_alive`](super::Limits::keep_alive), and closes the connection when none arrives for as long again.
//! Any data counts as an answer, so a connection with traffic sends no heartbeats.

use std::time::{Duration, Instant};

use super::event::{Due, TimeoutReason};
use super::{Connection, Limits};
use crate::wire::MessageId;

/// The type of a heartbeat.
pub(super) const HEARTBEAT: u64 = 5;
/// The ids of a question and of an answer.
const QUESTION: u64 = 0;
const ANSWER: u64 = 1;
/// The shortest meaningful interval.
const LEAST: Duration = Duration::from_secs(1);
/// How many bytes of heartbeats may wait to be written. More would carry no information.
const MAX_QUEUED: usize = 128;

/// The last sign of life of the peer, and the probes since.
#[derive(Debug)]
pub(super) struct Liveness {
    /// When the last data arrived: a frame, or a part of one.
    heard: Instant,
    /// When the connection moved last before that.
    moved: Instant,
    /// Whether a question is unanswered, and how much unwritten output ends with the question.
    asks: bool,
    unwritten: usize,
    /// When the question was written, as far as we know.
    asked: Instant,
    /// How many calls in a row timed out in silence. Each was made after the previous one had timed out.
    silent: u32,
    /// When the first of these calls was made, and when the last one timed out.
    silent_since: Instant,
    timed_out: Instant,
    /// An upper bound on the bytes of heartbeats that wait to be written.
    queued: usize,
}

impl Liveness {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            heard: now,
            moved: now,
            asks: false,
            unwritten: 0,
            asked: now,
            silent: 0,
            silent_since: now,
            timed_out: now,
            queued: 0,
        }
    }

    /// Records data from the peer. `moved` is when the connection moved last before.
    #[inline]
    pub(super) const fn heard(&mut self, now: Instant, moved: Instant) {
        self.heard = now;
        self.moved = moved;
        self.asks = false;
        self.silent = 0;
    }

    /// Records that the output shrank from `before` to `after` bytes.
    ///
    /// Returns whether more than heartbeats was written: heartbeats do not keep an idle connection open.
    #[inline]
    pub(super) fn written(&mut self, now: Instant, before: usize, after: usize) -> bool {
        if after >= before {
            return false;
        }
        let moved = before > self.queued;
        self.queued = self.queued.min(after);
        if self.asks && self.unwritten > 0 {
            // The peer's time limit begins when it can read the question.
            self.asked = now;
            self.unwritten = self.unwritten.saturating_sub(before - after);
        }
        moved
    }

    /// Records the timeout of a call that was made `after` ago.
    fn timed_out(&mut self, now: Instant, after: Duration) {
        let Some(made) = now.checked_sub(after) else { return };
        if self.heard > made {
            return;
        }
        if self.silent == 0 {
            self.silent_since = made;
        } else if made < self.timed_out || now.duration_since(self.silent_since) < LEAST {
            // Concurrent calls count as one sign, and answers may take longer than the timeouts.
            return;
        }
        self.silent = self.silent.saturating_add(1);
        self.timed_out = now;
    }
}

/// Returns how long a peer may be silent before the question, and again after it.
fn interval(limits: &Limits) -> Option<Duration> {
    limits.keep_alive.map(|time| time.max(LEAST))
}

impl<X> Connection<X> {
    /// Returns how many calls in a row have timed out while the peer was silent.
    ///
    /// Each call was made after the previous one had timed out, and the later ones after at least one second of
    /// silence. From two on, the network has probably failed, or the peer has stalled.
    #[must_use]
    pub const fn silent_timeouts(&self) -> u32 {
        self.liveness.silent
    }

    /// Returns whether heartbeats are sent.
    pub(super) fn has_heartbeats(&self) -> bool {
        self.extensions.heartbeat && self.config.limits.keep_alive.is_some()
    }

    /// Returns when a silent peer is asked, or the connection closed.
    pub(super) fn next_heartbeat(&self) -> Option<Due> {
        let after = interval(&self.config.limits).filter(|_| self.extensions.heartbeat)?;
        let Liveness { asks, unwritten, asked, heard, .. } = self.liveness;
        // Output ahead of the question may take its time while the peer reads any of it. This replaces
        // `TCP_USER_TIMEOUT` for streams without the option.
        let after = if asks && unwritten > 0 { after.saturating_mul(2) } else { after };
        let since = if asks { asked } else { heard };
        Some((since.checked_add(after)?, TimeoutReason::Heartbeat { after }))
    }

    /// Asks the peer if it has been silent for the interval.
    pub(super) fn beat(&mut self) {
        let due = self.next_heartbeat().is_some_and(|(at, _)| at <= self.now);
        // While frames are stuck, an answer behind them is not read: the connection stays open, and the peer hears
        // from us.
        if due && (!self.liveness.asks || self.stuck.is_some()) && self.is_open() {
            self.ask();
        }
    }

    /// Records the timeout of a call that was made `after` ago. A peer silent since then is asked at once.
    pub(super) fn note_timeout(&mut self, after: Duration) {
        self.liveness.timed_out(self.now, after);
        if self.liveness.silent == 1 && !self.liveness.asks && self.has_heartbeats() {
            self.ask();
        }
    }

    #[cold]
    fn ask(&mut self) {
        if self.send_heartbeat(QUESTION) {
            self.liveness.asks = true;
            self.liveness.asked = self.now;
            self.liveness.unwritten = self.outbox.held();
        } else {
            // The full output goes first. The peer is asked again after one more interval.
            self.liveness.asks = false;
            self.liveness.heard = self.now;
        }
    }

    /// Handles a question or an answer of the peer.
    #[cold]
    pub(super) fn handle_heartbeat(&mut self, id: &MessageId) {
        self.last_moved = self.liveness.moved;
        if *id == MessageId::Number(QUESTION) {
            let _sent = self.send_heartbeat(ANSWER);
        }
    }

    fn send_heartbeat(&mut self, id: u64) -> bool {
        if self.liveness.queued >= MAX_QUEUED {
            return false;
        }
        let held = self.outbox.held();
        let sent = self.send_aside(HEARTBEAT, id);
        self.liveness.queued += self.outbox.held().saturating_sub(held);
        sent
    }
}
