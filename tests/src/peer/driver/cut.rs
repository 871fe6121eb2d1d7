//! A runtime whose streams can be cut in the middle of a message.

use std::future::Future;
use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use aiomas::{Listener, Runtime, Transport};
use aiomas_core::agent::Address;
use bytes::BytesMut;

/// A runtime whose incoming streams can be cut.
#[derive(Clone, Debug)]
pub(super) struct Cuttable<R> {
    runtime: R,
    last: Arc<Mutex<Arc<Cut>>>,
}

impl<R> Cuttable<R> {
    pub(super) fn new(runtime: R) -> Self {
        Self { runtime, last: Arc::default() }
    }

    /// Returns the handle that cuts the last accepted stream.
    pub(super) fn last_accepted(&self) -> Arc<Cut> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Cuts a stream.
#[derive(Debug, Default)]
pub(super) struct Cut(AtomicBool);

impl Cut {
    /// Makes the stream write only half of its next write, and then break.
    pub(super) fn halve_next_write(&self) {
        self.0.store(true, Ordering::Release);
    }
}

/// A stream that can be cut.
pub(super) struct CutStream<S> {
    stream: S,
    cut: Arc<Cut>,
    /// The number of bytes still to be written before the cut.
    left: Option<usize>,
}

impl<S: Transport> Transport for CutStream<S> {
    fn poll_recv(&mut self, cx: &mut Context<'_>, input: &mut BytesMut) -> Poll<io::Result<usize>> {
        self.stream.poll_recv(cx, input)
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        output: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.left.is_none() && self.cut.0.load(Ordering::Acquire) {
            self.left = Some(output.iter().map(|slice| slice.len()).sum::<usize>() / 2);
        }
        let Some(left) = self.left else { return self.stream.poll_send(cx, output) };
        let Some(slice) = output.iter().find(|slice| !slice.is_empty()).filter(|_| left > 0) else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let slice = IoSlice::new(&slice[..slice.len().min(left)]);
        let written = ready!(self.stream.poll_send(cx, &[slice]))?;
        self.left = Some(left - written);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_shutdown(cx)
    }

    fn peer(&self) -> Option<String> {
        self.stream.peer()
    }
}

/// A listener for streams that can be cut.
pub(super) struct CutListener<L> {
    listener: L,
    last: Arc<Mutex<Arc<Cut>>>,
}

impl<L: Listener> Listener for CutListener<L> {
    type Stream = CutStream<L::Stream>;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Self::Stream>> {
        let stream = ready!(self.listener.poll_accept(cx))?;
        let cut = Arc::<Cut>::default();
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = cut.clone();
        Poll::Ready(Ok(CutStream { stream, cut, left: None }))
    }

    fn address(&self) -> io::Result<Address> {
        self.listener.address()
    }
}

impl<R: Runtime> Runtime for Cuttable<R> {
    type Stream = CutStream<R::Stream>;
    type Listener = CutListener<R::Listener>;
    type Timer = R::Timer;

    fn now(&self) -> Instant {
        self.runtime.now()
    }

    fn seed(&self) -> u64 {
        self.runtime.seed()
    }

    fn timer(&self) -> R::Timer {
        self.runtime.timer()
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }

    fn defer(&self, waker: &std::task::Waker) {
        self.runtime.defer(waker);
    }

    fn spawn_blocking(&self, work: impl FnOnce() + Send + 'static) {
        self.runtime.spawn_blocking(work);
    }

    fn dial(&self, to: Address) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static {
        let dial = self.runtime.dial(to);
        async move { Ok(CutStream { stream: dial.await?, cut: Arc::default(), left: None }) }
    }

    fn listen(
        &self,
        on: Address,
    ) -> impl Future<Output = io::Result<Self::Listener>> + Send + 'static {
        let (listen, last) = (self.runtime.listen(on), self.last.clone());
        async move { Ok(CutListener { listener: listen.await?, last }) }
    }
}
