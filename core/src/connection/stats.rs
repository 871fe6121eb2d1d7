//! Counts of what went over a connection.

use std::iter::Sum;
use std::ops::AddAssign;

/// Counts of what went over a connection since it was opened, or over several: they can be added.
///
/// Both ends count alike: what one has sent, the other has received, but for what is under way or lost. `out` is
/// what went to the peer, `in` what came from it. Each call that was made has ended in a result, in a failure, or
/// without an answer, or is in flight ([`Connection::calls_out`](super::Connection::calls_out)):
/// `requests_out == results_in + failures_in + unanswered + calls_out`.
///
/// Hello counts as frames and bytes, and as nothing else, where it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Frames that came in.
    pub frames_in: u64,
    /// Bytes that came in, headers included.
    pub bytes_in: u64,
    /// Frames that were queued for the peer.
    pub frames_out: u64,
    /// Bytes that were queued for the peer, headers included.
    pub bytes_out: u64,
    /// Requests of the peer, those included that were refused.
    pub requests_in: u64,
    /// Calls of ours that were queued for the peer.
    pub requests_out: u64,
    /// Results of our calls.
    pub results_in: u64,
    /// Results of the peer's requests.
    pub results_out: u64,
    /// Failures of our calls, as the peer told them.
    pub failures_in: u64,
    /// Failures of the peer's requests, those included that were refused.
    pub failures_out: u64,
    /// Our calls that ended without an answer: they timed out, were given up, or lost with the connection.
    pub unanswered: u64,
    /// Answers to calls that had been abandoned or had timed out, or had been answered before.
    pub late_answers: u64,
    /// Requests of the peer that were answered with "overloaded".
    pub overloaded: u64,
    /// Requests of the peer that ended with [`Event::Cancelled`](super::Event::Cancelled).
    pub cancelled: u64,
}

impl AddAssign for Stats {
    fn add_assign(&mut self, other: Self) {
        // All of them by name, so that none is forgotten.
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
