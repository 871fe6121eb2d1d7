//! Whether the peer is alive: heartbeats, and calls that time out while nothing comes.
//!
//! A process that stands still keeps its streams: its system acknowledges what it is sent, so neither the system's
//! keep-alive nor its retransmissions notice. Peers that have both named the extension Heartbeat in Hello ask each
//! other: `[5, 0, null]` is the question, `[5, 1, null]` the answer. A side asks when nothing has come for
//! [`Limits::keep_alive`](super::Limits::keep_alive), and closes the connection when nothing comes for as long again.
//! Anything that comes is an answer, so a connection with traffic has no heartbeats.

use std::time::{Duration, Instant};

use super::event::{Due, TimeoutReason};
use super::{Connection, Limits};
use crate::wire::MessageId;

/// The type of a heartbeat.
pub(super) const HEARTBEAT: u64 = 5;
/// The ids of a question and of an answer.
const QUESTION: u64 = 0;
const ANSWER: u64 = 1;
/// The shortest silence that means anything.
const LEAST: Duration = Duration::from_secs(1);
/// So many bytes of heartbeats may wait to be written; more would say nothing more.
const MAX_QUEUED: usize = 128;

/// When the peer was heard, and what has been asked since.
#[derive(Debug)]
pub(super) struct Liveness {
    /// When something came last: a frame, or more of one.
    heard: Instant,
    /// When the connection moved last before that.
    moved: Instant,
    /// Whether a question is unanswered, and what of the output has to be written until it is out.
    asks: bool,
    unwritten: usize,
    /// When the question was written, as far as we know.
    asked: Instant,
    /// How many calls in a row have timed out since something came, each made after the one before had timed out.
    silent: u32,
    /// When the first of these was made, and when the last one has timed out.
    silent_since: Instant,
    timed_out: Instant,
    /// The bytes of heartbeats that may be among those that wait to be written.
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

    /// Something has come from the peer. `moved` is when the connection moved last before.
    #[inline]
    pub(super) const fn heard(&mut self, now: Instant, moved: Instant) {
        self.heard = now;
        self.moved = moved;
        self.asks = false;
        self.silent = 0;
    }

    /// Of `before` bytes that waited to be written, `after` do still. Returns whether anything but heartbeats was written:
    /// these do not keep an idle connection open.
    #[inline]
    pub(super) fn written(&mut self, now: Instant, before: usize, after: usize) -> bool {
        if after >= before {
            return false;
        }
        let moved = before > self.queued;
        self.queued = self.queued.min(after);
        if self.asks && self.unwritten > 0 {
            // The time of the peer begins when it can read the question.
            self.asked = now;
            self.unwritten = self.unwritten.saturating_sub(before - after);
        }
        moved
    }

    /// A call has timed out that was made `after` ago.
    fn timed_out(&mut self, now: Instant, after: Duration) {
        let Some(made) = now.checked_sub(after) else { return };
        if self.heard > made {
            return;
        }
        if self.silent == 0 {
            self.silent_since = made;
        } else if made < self.timed_out || now.duration_since(self.silent_since) < LEAST {
            // Calls that wait at the same time are one sign, and answers may take longer than calls are given.
            return;
        }
        self.silent = self.silent.saturating_add(1);
        self.timed_out = now;
    }
}

/// How long a peer may be silent until it is asked, and then until it has answered.
fn interval(limits: &Limits) -> Option<Duration> {
    limits.keep_alive.map(|time| time.max(LEAST))
}

impl<X> Connection<X> {
    /// How many calls in a row have timed out since something came from the peer, each of them made after the one
    /// before had timed out, and the later ones after a second of silence at least. From two on it is likely that nothing
    /// gets through, or that the peer stands still.
    #[must_use]
    pub const fn silent_timeouts(&self) -> u32 {
        self.liveness.silent
    }

    /// Whether heartbeats are sent.
    pub(super) fn has_heartbeats(&self) -> bool {
        self.extensions.heartbeat && self.config.limits.keep_alive.is_some()
    }

    /// When a silent peer is asked, or given up.
    pub(super) fn next_heartbeat(&self) -> Option<Due> {
        let after = interval(&self.config.limits).filter(|_| self.extensions.heartbeat)?;
        let Liveness { asks, unwritten, asked, heard, .. } = self.liveness;
        // What is before the question may take its time, as long as any of it is taken: `TCP_USER_TIMEOUT` for streams
        // that have none.
        let after = if asks && unwritten > 0 { after.saturating_mul(2) } else { after };
        let since = if asks { asked } else { heard };
        Some((since.checked_add(after)?, TimeoutReason::Heartbeat { after }))
    }

    /// Asks the peer if it has been silent for so long.
    pub(super) fn beat(&mut self) {
        let due = self.next_heartbeat().is_some_and(|(at, _)| at <= self.now);
        // While frames are stuck, an answer behind them is not read: the peer is not given up, and hears from us.
        if due && (!self.liveness.asks || self.stuck.is_some()) && self.is_open() {
            self.ask();
        }
    }

    /// A call has timed out that was made `after` ago. A peer that was silent all the time is asked at once.
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
            // What fills the output comes first. It is asked again after as long.
            self.liveness.asks = false;
            self.liveness.heard = self.now;
        }
    }

    /// The peer asks, or answers.
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
