//! The owners of methods: containers and RPC servers.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// A container or an RPC server, as its methods see it.
pub(super) trait Endpoint: Send + Sync {
    fn id(&self) -> EndpointId;

    /// Starts the shutdown: no more calls are accepted, and pending calls are answered first.
    fn stop(&self);
}

/// Identifies an endpoint within the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EndpointId(u64);

// The program's own code lies between a polled method and its query: no argument passes through it.
thread_local! {
    static CURRENT: Cell<EndpointId> = const { Cell::new(EndpointId::NONE) };
}

impl EndpointId {
    /// The id for methods of a client or a channel.
    pub(super) const NONE: Self = Self(0);

    /// Returns a unique id.
    pub(super) fn new() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Marks the running code as part of this endpoint, until the mark is dropped.
    pub(super) fn enter(self) -> Entered {
        Entered(CURRENT.replace(self))
    }

    /// Returns whether the running code is part of an async method of this endpoint. Such code would wait for itself if
    /// it waited for the endpoint's end.
    pub(super) fn is_current(self) -> bool {
        CURRENT.get() == self
    }
}

/// Restores the outer mark when dropped.
pub(super) struct Entered(EndpointId);

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}
