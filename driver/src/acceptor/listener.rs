//! Streams that come in: each takes a place, and opens beside the others.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use crate::acceptor::AdmissionPermit;
use crate::acceptor::{StreamLimits, open, refuse};
use crate::cancel::{Canceller, cancellable};
use crate::contain::wake_all;
use crate::lock::lock;
use crate::runtime::Runtime;
use crate::stream::Stream;
use crate::trace;
use crate::transport::{Listener, Transport};
use aiomas_core::agent::Address;
use aiomas_core::connection::Admission;

/// So many streams in a row are accepted before other tasks have their turn. A system may have thousands at once.
const MAX_ACCEPTED: u32 = 32;

/// See [`Listener`]. The streams are open, and have their places.
pub(crate) trait Incoming: Send {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Stream>>;
    fn address(&self) -> io::Result<Address>;
}

/// What comes to a listener of a runtime.
///
/// A stream takes its place before a byte of it is read, and keeps it: so whoever opens streams and does not go on
/// with the handshake has no more of them than he may have connections. Each has a task of its own until it is open,
/// so that nobody waits for a peer that is slow.
pub(crate) struct OpeningListener<R: Runtime, L: Listener> {
    runtime: R,
    listener: L,
    admission: Arc<Mutex<Admission>>,
    terms: StreamLimits,
    opening: Arc<Mutex<Opening>>,
    /// How many in a row have been accepted.
    accepted: u32,
}

/// The streams that were not open when they came.
#[derive(Default)]
struct Opening {
    /// No more than there are places.
    ended: VecDeque<(Option<String>, io::Result<Stream>)>,
    tasks: BTreeMap<u64, Canceller>,
    last: u64,
    /// Who waits for the next stream.
    waker: Option<Waker>,
}

impl<R: Runtime, L: Listener> OpeningListener<R, L> {
    pub(crate) fn new(
        runtime: R,
        listener: L,
        admission: Arc<Mutex<Admission>>,
        terms: StreamLimits,
    ) -> Self {
        Self { runtime, listener, admission, terms, opening: Arc::default(), accepted: 0 }
    }

    /// Opens a stream in a task.
    fn open(&self, mut stream: L::Stream, permit: AdmissionPermit) {
        let (runtime, terms, opening) = (self.runtime.clone(), self.terms, self.opening.clone());
        let number = {
            let mut opening = lock(&opening);
            opening.last += 1;
            opening.last
        };
        let tasks = OpeningGuard { opening: opening.clone(), number };
        let (canceller, task) = cancellable(async move {
            let _under_way = tasks;
            let peer = stream.peer();
            let end = |result| Opening::change(&opening, |all| all.ended.push_back((peer, result)));
            match open(&runtime, &mut stream, terms).await {
                Ok(()) => end(Ok(Stream::new(&runtime, stream, Some(permit)))),
                Err(error) => {
                    end(Err(error));
                    refuse(&runtime, stream).await;
                    drop(permit);
                }
            }
        });
        lock(&self.opening).tasks.insert(number, canceller);
        self.runtime.spawn(task);
    }
}

/// A stream that is being opened, also if that panics.
struct OpeningGuard {
    opening: Arc<Mutex<Opening>>,
    number: u64,
}

impl Drop for OpeningGuard {
    fn drop(&mut self) {
        Opening::change(&self.opening, |all| all.tasks.remove(&self.number));
    }
}

impl Opening {
    /// Changes it, and wakes whoever waits for a stream.
    fn change<V>(opening: &Mutex<Self>, change: impl FnOnce(&mut Self) -> V) {
        // What comes out is dropped without the lock.
        let (_out, waker) = {
            let mut opening = lock(opening);
            (change(&mut opening), opening.waker.take())
        };
        wake_all(waker);
    }
}

impl<R: Runtime, L: Listener> Incoming for OpeningListener<R, L> {
    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        loop {
            let ended = {
                let mut opening = lock(&self.opening);
                opening.waker = Some(cx.waker().clone());
                opening.ended.pop_front()
            };
            if let Some((peer, result)) = ended {
                if let Err(error) = &result {
                    trace::refused(&self.runtime, || peer.clone(), error);
                    self.listener.refused(peer.as_deref(), error);
                }
                return Poll::Ready(result);
            }
            if self.accepted == MAX_ACCEPTED {
                self.accepted = 0;
                self.runtime.defer(cx.waker());
                return Poll::Pending;
            }
            let Poll::Ready(accepted) = self.listener.poll_accept(cx) else {
                self.accepted = 0;
                return Poll::Pending;
            };
            self.accepted += 1;
            let mut stream = accepted?;
            // Those that there is no place for are closed.
            let permit = match AdmissionPermit::take(&self.admission, stream.peer().as_deref()) {
                Ok(permit) => permit,
                Err(refusal) => {
                    trace::refused(&self.runtime, || stream.peer(), &refusal);
                    continue;
                }
            };
            if let Some(how) = self.terms.keep_alive {
                // One that is gone already tells so when it is read; it must not look like an error of accepting.
                let _set = stream.keep_alive(how);
            }
            match stream.poll_open(cx) {
                Poll::Ready(Ok(())) => {
                    return Poll::Ready(Ok(Stream::new(&self.runtime, stream, Some(permit))));
                }
                _ => self.open(stream, permit),
            }
        }
    }

    fn address(&self) -> io::Result<Address> {
        self.listener.address()
    }
}

impl<R: Runtime, L: Listener> Drop for OpeningListener<R, L> {
    fn drop(&mut self) {
        let tasks = std::mem::take(&mut lock(&self.opening).tasks);
        drop(tasks);
        let ended = std::mem::take(&mut lock(&self.opening).ended);
        drop(ended);
    }
}
