//! The pending calls of `connect`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::address::AgentUrl;
use super::id::ConnectId;
use super::retry::RetryLimit;

#[derive(Debug)]
pub(super) struct Waiter<X> {
    pub(super) url: AgentUrl,
    pub(super) limit: RetryLimit,
    pub(super) ctx: X,
    deadline: Option<Instant>,
}

/// The waiters by id, which is their order of arrival, and their deadlines.
#[derive(Debug)]
pub(super) struct Waiters<X> {
    waiters: BTreeMap<ConnectId, Waiter<X>>,
    deadlines: BTreeSet<(Instant, ConnectId)>,
}

impl<X> Waiters<X> {
    pub(super) const fn new() -> Self {
        Self { waiters: BTreeMap::new(), deadlines: BTreeSet::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.waiters.len()
    }

    /// Adds a waiter without a deadline.
    pub(super) fn insert(&mut self, id: ConnectId, url: AgentUrl, limit: RetryLimit, ctx: X) {
        self.waiters.insert(id, Waiter { url, limit, ctx, deadline: None });
    }

    pub(super) fn set_deadline(&mut self, id: ConnectId, deadline: Option<Instant>) {
        if let Some(waiter) = self.waiters.get_mut(&id) {
            if let Some(old) = waiter.deadline {
                self.deadlines.remove(&(old, id));
            }
            waiter.deadline = deadline;
            self.deadlines.extend(deadline.map(|new| (new, id)));
        }
    }

    pub(super) fn get(&self, id: ConnectId) -> Option<&Waiter<X>> {
        self.waiters.get(&id)
    }

    /// Returns whether another attempt may follow a failed one.
    pub(super) fn is_patient(&self, id: ConnectId, now: Instant) -> bool {
        self.waiters.get(&id).is_some_and(|waiter| {
            waiter.limit != RetryLimit::Once
                && waiter.deadline.is_none_or(|deadline| deadline > now)
        })
    }

    pub(super) fn remove(&mut self, id: ConnectId) -> Option<Waiter<X>> {
        self.set_deadline(id, None);
        self.waiters.remove(&id)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|&(deadline, _)| deadline)
    }

    /// Returns a waiter whose deadline has passed.
    pub(super) fn overdue(&self, now: Instant) -> Option<ConnectId> {
        self.deadlines.first().filter(|&&(deadline, _)| deadline <= now).map(|&(_, id)| id)
    }

    /// Removes all waiters, and returns them in order.
    pub(super) fn take(&mut self) -> BTreeMap<ConnectId, Waiter<X>> {
        self.deadlines.clear();
        std::mem::take(&mut self.waiters)
    }
}
