//! Calls within a container: without a stream, but encoded, so that values are copied.

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

/// A container as seen from its own agents.
pub(super) trait LocalDispatch: Endpoint {
    /// Calls an agent; `encode` appends the content of the request.
    fn call(self: Arc<Self>, options: CallOptions, encode: &Encode<'_>) -> Called;

    /// Returns the address in its agents' URLs.
    fn address(&self) -> &Address;

    /// Returns the codec context of content.
    fn codec_context(&self) -> &CodecContext;

    /// Returns the maximum number of its calls that may wait for a value.
    fn max_mailbox(&self) -> u32;

    /// Returns the host, whose clock and tasks it uses.
    fn host(&self) -> Arc<dyn Host>;

    /// Returns the current time.
    fn now(&self) -> Instant;

    /// Converts it for a downcast to a container.
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

/// Appends content to a buffer.
pub(super) type Encode<'a> =
    dyn Fn(Format, &CodecContext, &mut Vec<u8>) -> Result<(), CodecError> + 'a;

/// The immediate outcome of a call of an agent.
pub(super) enum Called {
    /// The call is done.
    Done(Result<Payload, Error>),
    /// The method goes on.
    Running(Box<LocalCall>),
}

/// A call between agents of one container whose method goes on.
pub(super) struct LocalCall {
    pub(super) answer: Arc<LocalAnswer>,
    pub(super) deadline: Option<Deadline>,
}

/// The slot in which the answer of a running method waits for its caller.
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

    /// Stops the method, because the caller waits no longer.
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

    /// Cancels the call, and stops its method.
    pub(super) fn cancel(&self) {
        self.answer.cancel();
    }
}
