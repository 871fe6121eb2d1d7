//! Calls within a container: no stream in between, but by value as if there were.

use std::any::Any;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use super::Error;
use super::contain::wake;
use super::deadline::Deadline;
use super::endpoint::Endpoint;
use super::host::Host;
use super::lock::lock;
use super::stop::Stop;
use aiomas_core::agent::Address;
use aiomas_core::connection::CallOptions;
use aiomas_core::internal::LocalCodec;
use aiomas_core::wire::{CodecContext, CodecError, Format, Payload};

/// The format of calls between agents of one container.
pub(super) const LOCAL: Format = LocalCodec::FORMAT;

/// What the container is to those within it.
pub(super) trait LocalDispatch: Endpoint {
    /// Calls an agent; `encode` appends the content of the request.
    fn call(self: Arc<Self>, options: CallOptions, encode: &Encode<'_>) -> Called;

    /// What its agents' URLs begin with.
    fn address(&self) -> &Address;

    /// What content is encoded against.
    fn codec_context(&self) -> &CodecContext;

    /// How many of its calls may wait for a value.
    fn max_mailbox(&self) -> u32;

    /// By whose clock it goes, and what runs its tasks.
    fn host(&self) -> Arc<dyn Host>;

    /// What time it is.
    fn now(&self) -> Instant;

    /// To be turned back into a container.
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

/// Appends content to a buffer.
pub(super) type Encode<'a> =
    dyn Fn(Format, &CodecContext, &mut Vec<u8>) -> Result<(), CodecError> + 'a;

/// What a call of an agent has led to at once.
pub(super) enum Called {
    /// To its end.
    Done(Result<Payload, Error>),
    /// To a method that goes on.
    Running(Box<LocalCall>),
}

/// A call between agents of one container whose method goes on.
pub(super) struct LocalCall {
    pub(super) answer: Arc<LocalAnswer>,
    pub(super) deadline: Option<Deadline>,
}

/// Where the answer of a method that goes on waits for its caller.
#[derive(Default)]
pub(super) struct LocalAnswer {
    waiting: Mutex<Waiting>,
    /// Stops the method when its caller cancels the call.
    pub(super) stop: Arc<Stop>,
}

#[derive(Default)]
struct Waiting {
    answer: Option<Result<Payload, Error>>,
    waker: Option<Waker>,
}

impl LocalAnswer {
    pub(super) fn put(&self, answer: Result<Payload, Error>) {
        let waker = {
            let mut waiting = lock(&self.waiting);
            waiting.answer = Some(answer);
            waiting.waker.take()
        };
        if let Some(waker) = waker {
            wake(waker);
        }
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<Result<Payload, Error>> {
        let mut waiting = lock(&self.waiting);
        if let Some(answer) = waiting.answer.take() {
            return Poll::Ready(answer);
        }
        waiting.waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// The caller waits no longer: the method is stopped.
    fn cancel(&self) {
        let _waker = { lock(&self.waiting).waker.take() };
        self.stop.stop();
    }
}

impl LocalCall {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Payload, Error>> {
        if let Poll::Ready(answer) = self.answer.poll(cx) {
            return Poll::Ready(answer);
        }
        let Some(deadline) = &mut self.deadline else { return Poll::Pending };
        let error = ready!(deadline.poll(cx, true));
        self.answer.cancel();
        Poll::Ready(Err(error))
    }

    /// Cancels the call: its method is stopped.
    pub(super) fn cancel(&self) {
        self.answer.cancel();
    }
}
