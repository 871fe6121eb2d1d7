//! What the lock of a container's state plane guards.

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

/// What the container's lock guards: the state machine, and what its host keeps for it.
pub(super) struct ContainerState {
    pub(super) container: agent::Container<Arc<Connecting>>,
    pub(super) connections: ConnectionTable,
    pub(super) dials: BTreeMap<DialId, Canceller>,
    pub(super) questions: BTreeMap<ValidateTicket, Canceller>,
    /// Somebody is carrying out actions: in order, hence one at a time.
    pub(super) running: bool,
    pub(super) task: Option<Waker>,
    /// What the task waits for.
    pub(super) timeout: Option<Instant>,
    /// All connections are closed; agents come no more.
    pub(super) stopped: bool,
    /// The runtime has ended before the container did.
    pub(super) orphaned: bool,
    /// Agents whose `#[on_stop]` is under way, by their numbers.
    pub(super) stopping: BTreeMap<u64, Stopping>,
    /// Agents that have not stopped as they should.
    pub(super) unstopped: Vec<UnstoppedAgent>,
    /// What `shutdown` returns, from when it does.
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

    /// The error of a refusal.
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

/// Who waits for a search to end.
#[derive(Default)]
pub(super) struct Connecting(Mutex<Wait>);

#[derive(Default)]
struct Wait {
    result: Option<Result<Remote, Error>>,
    waker: Option<Waker>,
    /// How many attempts to open a connection there have been.
    attempts: u32,
}

impl Connecting {
    /// Attempt number so and so begins.
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
