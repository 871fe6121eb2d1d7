//! The peer's requests that may be cancelled, or have a deadline.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::event::ReplyToken;
use super::pending::Pending;
use crate::wire::MessageId;

/// The requests in progress that may end before they are answered.
///
/// All requests have numbers; without extensions, no other state is kept.
#[derive(Debug)]
pub(super) struct Requests {
    /// The ids on the wire by which the peer may cancel, by request number.
    open: Pending<Option<u64>>,
    /// The request numbers by id, which the peer chooses. An id used for two requests at a time refers to the first
    /// one, until that has ended.
    by_id: BTreeMap<u64, u64>,
}

impl Requests {
    pub(super) const fn new() -> Self {
        Self { open: Pending::new(), by_id: BTreeMap::new() }
    }

    /// Returns a new number for a request.
    #[inline]
    pub(super) const fn number(&mut self) -> u64 {
        self.open.skip()
    }

    /// Keeps a request that may be cancelled or has a deadline, under a new number.
    pub(super) fn keep(
        &mut self,
        token: &mut ReplyToken,
        now: Instant,
        timeout: Option<Duration>,
        may_be_cancelled: bool,
    ) {
        let id = number_of(&token.id).filter(|id| may_be_cancelled && !self.by_id.contains_key(id));
        if id.is_none() && timeout.is_none() {
            return;
        }
        token.number = self.open.reserve();
        token.kept = true;
        if let Some(id) = id {
            self.by_id.insert(id, token.number);
        }
        self.open.insert(now, timeout, id);
    }

    /// Returns whether a request has neither been answered nor cancelled.
    pub(super) fn contains(&self, number: u64) -> bool {
        self.open.contains(number)
    }

    /// Removes an answered request. Returns whether the peer still waited for the answer.
    pub(super) fn end(&mut self, number: u64) -> bool {
        let id = self.open.remove(number);
        self.discard(id.flatten());
        id.is_some()
    }

    /// Removes the request that the peer cancels by its id. Returns its number.
    pub(super) fn cancel(&mut self, id: &MessageId) -> Option<u64> {
        let number = self.by_id.remove(&number_of(id)?)?;
        self.open.remove(number)?;
        Some(number)
    }

    /// Removes a request whose deadline has come. Returns its number.
    pub(super) fn expire(&mut self, now: Instant) -> Option<u64> {
        let (number, id, _) = self.open.expire(now)?;
        self.discard(id);
        Some(number)
    }

    /// Returns the earliest deadline.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.open.next_deadline()
    }

    /// Removes all requests.
    pub(super) fn clear(&mut self) {
        let _open = self.open.drain();
        self.by_id.clear();
    }

    fn discard(&mut self, id: Option<u64>) {
        if let Some(id) = id {
            self.by_id.remove(&id);
        }
    }
}

/// Only numbers can be cancelled.
const fn number_of(id: &MessageId) -> Option<u64> {
    match id {
        MessageId::Number(id) => Some(*id),
        MessageId::Other(_) => None,
    }
}
