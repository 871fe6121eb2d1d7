//! Accepted streams with pending handshakes.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use super::permit::AdmissionPermit;
use crate::cancel::{Canceller, cancellable};
use crate::contain::wake_all;
use crate::host::Host;
use crate::lock::lock;
use crate::stream::{Stream, StreamLimits, open, refuse};
use crate::transport::Transport;

/// The streams with pending handshakes, each in a task. Dropping it drops the streams.
#[derive(Default)]
pub(super) struct Opening(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Bounded by the permits, one for each stream.
    ended: VecDeque<(Option<String>, io::Result<Stream>)>,
    tasks: BTreeMap<u64, Canceller>,
    /// The number of the last task.
    last: u64,
    /// The task that waits for the next stream.
    waker: Option<Waker>,
}

impl Opening {
    /// Returns the next stream that has opened or failed, with its peer. If none has, the next one wakes the task.
    pub(super) fn next(&self, cx: &Context<'_>) -> Option<(Option<String>, io::Result<Stream>)> {
        let mut state = lock(&self.0);
        // Stored before the check: a task that ends now wakes us.
        state.waker = Some(cx.waker().clone());
        state.ended.pop_front()
    }

    /// Opens a stream in a task.
    pub(super) fn start(
        &self,
        host: &Arc<dyn Host>,
        mut transport: Box<dyn Transport>,
        permit: AdmissionPermit,
        limits: StreamLimits,
    ) {
        let number = {
            let mut state = lock(&self.0);
            state.last += 1;
            state.last
        };
        let (opening, guard) = (self.0.clone(), TaskGuard { state: self.0.clone(), number });
        let runs_on = host.clone();
        let (canceller, task) = cancellable(async move {
            let _under_way = guard;
            let peer = transport.peer();
            let end = |result| State::change(&opening, |all| all.ended.push_back((peer, result)));
            match open(&*runs_on, &mut *transport, limits).await {
                Ok(()) => end(Ok(Stream::new(runs_on, transport, Some(permit)))),
                Err(error) => {
                    end(Err(error));
                    refuse(&*runs_on, transport).await;
                    // Not earlier: a peer that is being refused still counts.
                    drop(permit);
                }
            }
        });
        lock(&self.0).tasks.insert(number, canceller);
        host.spawn(task);
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        // Tasks first, because they add to `ended`. Neither is dropped under the lock, which both take.
        let tasks = std::mem::take(&mut lock(&self.0).tasks);
        drop(tasks);
        let ended = std::mem::take(&mut lock(&self.0).ended);
        drop(ended);
    }
}

/// Removes a task that opens a stream from the table, even after a panic.
struct TaskGuard {
    state: Arc<Mutex<State>>,
    number: u64,
}

impl Drop for TaskGuard {
    fn drop(&mut self) {
        State::change(&self.state, |all| all.tasks.remove(&self.number));
    }
}

impl State {
    /// Changes the state, and wakes the task that waits for a stream.
    fn change<V>(state: &Mutex<Self>, change: impl FnOnce(&mut Self) -> V) {
        // The result is dropped without the lock.
        let (_out, waker) = {
            let mut state = lock(state);
            (change(&mut state), state.waker.take())
        };
        wake_all(waker);
    }
}
