//! The handles of a link.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::shared::Link;
use super::slots::SlotKey;
use crate::host::Host;
use crate::lock::lock;
use aiomas_core::connection::{CallId, Close, Connection};

/// A handle's share in a link. When the last one of a link of their own goes, it is closed.
#[derive(Debug)]
pub(crate) struct LinkUser {
    link: Arc<Link>,
    /// It is part of a reference that came over the link.
    received: bool,
}

impl LinkUser {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        link.users.fetch_add(1, Ordering::Relaxed);
        Self { link, received: false }
    }

    /// The link, without a share in it.
    pub(crate) fn clone_link(&self) -> Arc<Link> {
        self.link.clone()
    }

    /// The share of a reference that came over the link. These are counted, and clones of theirs as well.
    pub(crate) fn received(link: Arc<Link>) -> Self {
        link.received.fetch_add(1, Ordering::Relaxed);
        let mut share = Self::new(link);
        share.received = true;
        share
    }
}

/// For handles that have no share in it.
impl Link {
    /// Looks at the connection as it is.
    pub(crate) fn look<R>(&self, f: impl FnOnce(&Connection<SlotKey>) -> R) -> R {
        f(&lock(&self.state).connection)
    }

    /// The id of a call that has not been answered.
    pub(crate) fn call_id(&self, key: SlotKey) -> Option<CallId> {
        lock(&self.state).slots.id(key)
    }

    /// By whose clock it goes, and what runs its tasks.
    pub(crate) fn host(&self) -> Arc<dyn Host> {
        self.host.clone()
    }

    /// How long closing may take.
    pub(crate) const fn drain(&self) -> Duration {
        self.drain
    }
}

impl std::ops::Deref for LinkUser {
    type Target = Arc<Link>;

    fn deref(&self) -> &Arc<Link> {
        &self.link
    }
}

impl Clone for LinkUser {
    fn clone(&self) -> Self {
        if self.received { Self::received(self.link.clone()) } else { Self::new(self.link.clone()) }
    }
}

impl Drop for LinkUser {
    fn drop(&mut self) {
        let Link { users, received, closes_unused, drain, handler, .. } = &*self.link;
        if self.received {
            received.fetch_sub(1, Ordering::Relaxed);
        }
        if users.fetch_sub(1, Ordering::AcqRel) == 1 && *closes_unused {
            handler.unused();
            self.link.close(Close::AfterAnswers { within: *drain });
        }
    }
}
