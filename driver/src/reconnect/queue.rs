//! The calls that wait for a connection.

use std::collections::BTreeMap;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::Error;
use crate::call_state::CallState;
use aiomas_core::connection::CallRejected;
use aiomas_core::wire::Body;

/// Calls that wait for a connection, and what became of those that have waited.
///
/// A call is in one of the two from when it is queued until it takes its outcome or is cancelled. It is known by its order,
/// which counts up as calls are made: one that is queued again keeps its place among the others.
pub(super) struct CallQueue {
    /// How many may wait.
    limit: usize,
    waiting: BTreeMap<u64, QueuedCall>,
    /// The search that opens a connection sends all that waits, whether or not these calls are polled: so they leave in order.
    settled: BTreeMap<u64, Result<CallState, Error>>,
    last: u64,
}

struct QueuedCall {
    body: Body,
    time: Option<CallTime>,
    waker: Option<Waker>,
}

/// When a call has taken too long, and how long it may take.
pub(super) type CallTime = (Instant, Duration);

impl CallQueue {
    pub(super) const fn new(limit: usize) -> Self {
        Self { limit, waiting: BTreeMap::new(), settled: BTreeMap::new(), last: 0 }
    }

    /// The order of a new call.
    pub(super) const fn next_order(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Lets a call wait.
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

    /// The call that is to be sent first.
    pub(super) fn first(&self) -> Option<(u64, Body, Option<CallTime>)> {
        let (order, call) = self.waiting.first_key_value()?;
        Some((*order, call.body.clone(), call.time))
    }

    /// Notes what became of a call. Returns the waker of its task; or, if it was cancelled, the outcome, which has to be
    /// cancelled as well.
    pub(super) fn settle(
        &mut self,
        order: u64,
        outcome: Result<CallState, Error>,
    ) -> Result<Option<Waker>, Result<CallState, Error>> {
        let Some(call) = self.waiting.remove(&order) else { return Err(outcome) };
        self.settled.insert(order, outcome);
        Ok(call.waker)
    }

    /// Lets all calls that wait fail. Their tasks are to be woken.
    pub(super) fn fail(&mut self, error: &Error, wakers: &mut Vec<Waker>) {
        for (order, call) in std::mem::take(&mut self.waiting) {
            self.settled.insert(order, Err(error.clone()));
            wakers.extend(call.waker);
        }
    }

    /// Takes what became of a call; or lets its task wait.
    pub(super) fn poll(&mut self, order: u64, cx: &Context<'_>) -> Poll<Result<CallState, Error>> {
        if let Some(call) = self.waiting.get_mut(&order) {
            call.waker = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let outcome = self.settled.remove(&order);
        Poll::Ready(outcome.unwrap_or_else(|| Err(CallRejected::Closed.into())))
    }

    /// Takes a call out. What it held, and a connection it was sent over, are to be dealt with without a lock.
    #[must_use = "the call may have been sent, and is then to be cancelled"]
    pub(super) fn remove(&mut self, order: u64) -> Removed {
        Removed {
            _waiting: self.waiting.remove(&order),
            sent: self.settled.remove(&order).and_then(Result::ok),
        }
    }
}

/// What a cancelled call has left.
pub(super) struct Removed {
    _waiting: Option<QueuedCall>,
    pub(super) sent: Option<CallState>,
}
