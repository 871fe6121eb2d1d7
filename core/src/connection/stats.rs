//! Counts of a connection's traffic.

use std::iter::Sum;
use std::ops::AddAssign;

/// Counts of a connection's traffic since it was opened. They can be added over several connections.
///
/// Both ends count alike: one end has received the other's messages, except those under way or lost. `out` is the
/// direction to the peer, `in` from it. Each call has ended in a result, in a failure, or without an answer, or is in
/// flight ([`Connection::calls_out`](super::Connection::calls_out)): `requests_out == results_in + failures_in +
/// unanswered + calls_out`.
///
/// A known Hello counts only as frames and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Frames that arrived.
    pub frames_in: u64,
    /// Bytes that arrived, headers included.
    pub bytes_in: u64,
    /// Frames that were queued for the peer.
    pub frames_out: u64,
    /// Bytes that were queued for the peer, headers included.
    pub bytes_out: u64,
    /// Requests of the peer, including refused ones.
    pub requests_in: u64,
    /// Calls of ours that were queued for the peer.
    pub requests_out: u64,
    /// Results of our calls.
    pub results_in: u64,
    /// Results of the peer's requests.
    pub results_out: u64,
    /// Failures of our calls, as sent by the peer.
    pub failures_in: u64,
    /// Failures of the peer's requests, including refused ones.
    pub failures_out: u64,
    /// Our calls that ended without an answer: timed out, cancelled, or lost with the connection.
    pub unanswered: u64,
    /// Answers to calls that had been cancelled, had timed out, or had been answered before.
    pub late_answers: u64,
    /// Requests of the peer that were answered with an `OverloadedError`.
    pub overloaded: u64,
    /// Requests of the peer that ended with [`Event::Cancelled`](super::Event::Cancelled).
    pub cancelled: u64,
}

impl AddAssign for Stats {
    fn add_assign(&mut self, other: Self) {
        // All fields by name, so that a new one is not missed.
        let Self {
            frames_in,
            bytes_in,
            frames_out,
            bytes_out,
            requests_in,
            requests_out,
            results_in,
            results_out,
            failures_in,
            failures_out,
            unanswered,
            late_answers,
            overloaded,
            cancelled,
        } = other;
        self.frames_in += frames_in;
        self.bytes_in += bytes_in;
        self.frames_out += frames_out;
        self.bytes_out += bytes_out;
        self.requests_in += requests_in;
        self.requests_out += requests_out;
        self.results_in += results_in;
        self.results_out += results_out;
        self.failures_in += failures_in;
        self.failures_out += failures_out;
        self.unanswered += unanswered;
        self.late_answers += late_answers;
        self.overloaded += overloaded;
        self.cancelled += cancelled;
    }
}

impl Sum for Stats {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut sum, one| {
            sum += one;
            sum
        })
    }
}
