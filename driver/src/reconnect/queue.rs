//! The queue of calls that wait for a connection.

use std::collections::BTreeMap;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::Error;
use crate::call_state::CallState;
use aiomas_core::connection::CallRejected;
use aiomas_core::wire::Body;

/// Calls that wait for a connection, and the outcomes of calls that have waited.
///
/// A queued call is in one of the two maps until it takes its outcome or is cancelled. Its key is its order, which
/// counts up as calls are made: a call that is queued again keeps its position.
pub(super) struct CallQueue {
    /// The maximum number of waiting calls.
    limit: usize,
    waiting: BTreeMap<u64, QueuedCall>,
    /// The outcomes of calls that no longer wait. The search that opens a connection sends all waiting calls, polled or
    /// not, so they leave in order.
    settled: BTreeMap<u64, Result<CallState, Error>>,
    last: u64,
}

struct QueuedCall {
    body: Body,
    time: Option<CallTime>,
    waker: Option<Waker>,
}

/// The deadline of a call, and the full time it may take.
pub(super) type CallTime = (Instant, Duration);

impl CallQueue {
    pub(super) const fn new(limit: usize) -> Self {
        Self { limit, waiting: BTreeMap::new(), settled: BTreeMap::new(), last: 0 }
    }

    /// Returns the order of a new call.
    pub(super) const fn next_order(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Adds a call.
    pub(super) fn insert(
        &mut self,
        order: u64,
        body: &Body,
        time: Option<CallTime>,
    ) -> Result<(), CallRejected> {
        if self.waiting.len() >= self.limit {
            return Err(CallRejected::TooManyCalls { limit: self.limit });
        }
        self.waiting.insert(order, QueuedCall { body: body.clone(), time, waker: None });
        Ok(())
    }

    /// Returns the first call to send.
    pub(super) fn first(&self) -> Option<(u64, Body, Option<CallTime>)> {
        let (order, call) = self.waiting.first_key_value()?;
        Some((*order, call.body.clone(), call.time))
    }

    /// Records the outcome of a call. Returns the waker of its task or, if the call was cancelled, the outcome, which
    /// must be cancelled as well.
    pub(super) fn settle(
        &mut self,
        order: u64,
        outcome: Result<CallState, Error>,
    ) -> Result<Option<Waker>, Result<CallState, Error>> {
        let Some(call) = self.waiting.remove(&order) else { return Err(outcome) };
        self.settled.insert(order, outcome);
        Ok(call.waker)
    }

    /// Fails all waiting calls. The caller wakes their tasks.
    pub(super) fn fail(&mut self, error: &Error, wakers: &mut Vec<Waker>) {
        for (order, call) in std::mem::take(&mut self.waiting) {
            self.settled.insert(order, Err(error.clone()));
            wakers.extend(call.waker);
        }
    }

    /// Takes the outcome of a call, or registers its task.
    pub(super) fn poll(&mut self, order: u64, cx: &Context<'_>) -> Poll<Result<CallState, Error>> {
        if let Some(call) = self.waiting.get_mut(&order) {
            call.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let outcome = self.settled.remove(&order);
        Poll::Ready(outcome.unwrap_or_else(|| Err(CallRejected::Closed.into())))
    }

    /// Removes a call. The caller drops its content, and cancels it on a connection, without holding a lock.
    #[must_use = "the call may have been sent, and is then to be cancelled"]
    pub(super) fn remove(&mut self, order: u64) -> Removed {
        Removed {
            _waiting: self.waiting.remove(&order),
            sent: self.settled.remove(&order).and_then(Result::ok),
        }
    }
}

/// The remains of a cancelled call.
pub(super) struct Removed {
    _waiting: Option<QueuedCall>,
    pub(super) sent: Option<CallState>,
}
