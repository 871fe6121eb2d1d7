//! The state that a container's lock guards.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::ending::Stopping;
use crate::cancel::Canceller;
use crate::connection::{Connection, ConnectionTable};
use crate::contain::wake;
use crate::lock::lock;
use crate::wakers::WakerSet;
use crate::{Error, UnstoppedAgent};
use aiomas_core::agent::{self, ConnId, ContainerError, DialId, Remote, ValidateTicket};

/// The state under the container's lock: the state machine and its driver's bookkeeping.
pub(super) struct ContainerState {
    pub(super) container: agent::Container<Arc<Connecting>>,
    pub(super) connections: ConnectionTable,
    pub(super) dials: BTreeMap<DialId, Canceller>,
    pub(super) questions: BTreeMap<ValidateTicket, Canceller>,
    /// True while a task executes actions. Actions run in order, hence by one task at a time.
    pub(super) running: bool,
    pub(super) task: Option<Waker>,
    /// The time that the task waits for.
    pub(super) timeout: Option<Instant>,
    /// All connections are closed, and no agents are accepted.
    pub(super) stopped: bool,
    /// The runtime ended before the container did.
    pub(super) orphaned: bool,
    /// Agents with a running `#[on_stop]`, by number.
    pub(super) stopping: BTreeMap<u64, Stopping>,
    /// Agents that did not stop properly.
    pub(super) unstopped: Vec<UnstoppedAgent>,
    /// The result of `shutdown`, once fixed.
    pub(super) ended: Option<Result<(), Error>>,
    /// The tasks that wait for the container to end.
    pub(super) waiting: Arc<WakerSet>,
}

impl ContainerState {
    pub(super) fn new(container: agent::Container<Arc<Connecting>>) -> Self {
        Self {
            container,
            connections: ConnectionTable::default(),
            dials: BTreeMap::new(),
            questions: BTreeMap::new(),
            running: false,
            task: None,
            timeout: None,
            stopped: false,
            orphaned: false,
            stopping: BTreeMap::new(),
            unstopped: Vec::new(),
            ended: None,
            waiting: Arc::default(),
        }
    }

    /// Converts a rejection by the state machine into an error.
    pub(super) fn refused(&self, refusal: ContainerError) -> Error {
        if self.orphaned && refusal == ContainerError::ShutDown {
            return Error::runtime_ended(self.container.base());
        }
        refusal.into()
    }

    pub(super) fn connection(&self, conn: ConnId) -> Option<Arc<Connection>> {
        self.connections.get(conn.0)
    }
}

/// A caller that waits for the end of a search.
#[derive(Default)]
pub(super) struct Connecting(Mutex<Wait>);

#[derive(Default)]
struct Wait {
    result: Option<Result<Remote, Error>>,
    waker: Option<Waker>,
    /// The number of dial attempts so far.
    attempts: u32,
}

impl Connecting {
    /// Records the start of a dial attempt.
    pub(super) fn attempt(&self, attempts: u32) {
        let waker = {
            let mut wait = lock(&self.0);
            wait.attempts = attempts;
            wait.waker.take()
        };
        if let Some(waker) = waker {
            wake(waker);
        }
    }

    pub(super) fn attempts(&self) -> u32 {
        lock(&self.0).attempts
    }

    pub(super) fn end(&self, result: Result<Remote, Error>) {
        let waker = {
            let mut wait = lock(&self.0);
            wait.result = Some(result);
            wait.waker.take()
        };
        if let Some(waker) = waker {
            wake(waker);
        }
    }

    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<Result<Remote, Error>> {
        let mut wait = lock(&self.0);
        match wait.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                wait.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
