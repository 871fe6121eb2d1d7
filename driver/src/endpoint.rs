//! What methods are part of: a container, or an RPC server.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// A container or an RPC server, as its methods see it.
pub(super) trait Endpoint: Send + Sync {
    fn id(&self) -> EndpointId;

    /// Begins the end: no calls are taken any more, and those under way are answered first.
    fn stop(&self);
}

/// Tells endpoints of a process apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EndpointId(u64);

// The program's own code lies between a method that is polled and one that asks: no argument passes through it.
thread_local! {
    static CURRENT: Cell<EndpointId> = const { Cell::new(EndpointId::NONE) };
}

impl EndpointId {
    /// Of methods that belong to a client or a channel.
    pub(super) const NONE: Self = Self(0);

    /// An id that no other endpoint has.
    pub(super) fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Marks the running code as part of a method of this endpoint, until the mark is dropped.
    pub(super) fn enter(self) -> Entered {
        Entered(CURRENT.replace(self))
    }

    /// Whether the running code is part of an async method of this endpoint. To wait for the endpoint's end would then
    /// be to wait for itself.
    pub(super) fn is_current(self) -> bool {
        CURRENT.get() == self
    }
}

/// Puts the outer mark back.
pub(super) struct Entered(EndpointId);

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}
