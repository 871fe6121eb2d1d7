//! Calls between agents of one container.

use std::any::Any;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::shared::ContainerShared;
use crate::Error;
use crate::deadline::Deadline;
use crate::host::Host;
use crate::later::{self, Answer, Later};
use crate::local_dispatch::{Called, Encode, LocalAnswer, LocalCall, LocalDispatch};
use crate::stop::{Stop, Stopped};
use crate::trace;
use aiomas_core::agent::Address;
use aiomas_core::connection::{CallOptions, CallRejected};
use aiomas_core::rpc::{Caller, Outcome};
use aiomas_core::wire::{CodecContext, Payload, RemoteError};

impl LocalDispatch for ContainerShared {
    fn call(self: Arc<Self>, options: CallOptions, encode: &Encode<'_>) -> Called {
        self.call_locally(options, encode)
    }

    fn address(&self) -> &Address {
        &self.address
    }

    fn codec_context(&self) -> &CodecContext {
        self.local_codec.codec_context()
    }

    fn max_mailbox(&self) -> u32 {
        self.max_mailbox
    }

    fn host(&self) -> Arc<dyn Host> {
        self.host.clone()
    }

    fn now(&self) -> Instant {
        self.host.now()
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl ContainerShared {
    pub(super) fn call_locally(
        self: &Arc<Self>,
        options: CallOptions,
        encode: &Encode<'_>,
    ) -> Called {
        let content = match self.local_codec.request(encode) {
            Ok(content) => content,
            Err(why) => return Called::Done(Err(why.into())),
        };
        let limit = self.max_local_calls;
        if self.local_calls.load(Ordering::Relaxed) >= limit {
            return Called::Done(Err(CallRejected::TooManyCalls { limit }.into()));
        }
        let deadline = options.timeout.and_then(|after| self.host.now().checked_add(after));
        let caller = Caller::local().with_deadline(deadline);
        let method = Self::nested(|| match self.dispatch(&content, &caller, trace::Id::NONE) {
            Outcome::Done(answer) => Ok(answer),
            // Polled at once, so that methods start in the order of their calls.
            Outcome::Later(later) => {
                let mut method = later::Running::new(later, self.id);
                match method.poll_once() {
                    Poll::Ready(answer) => Ok(answer),
                    Poll::Pending => Err(Some(method)),
                }
            }
            Outcome::NotFound | Outcome::NotExposed => Err(None),
        });
        let method = match method {
            Some(Ok(answer)) => return Called::Done(self.payload(answer)),
            Some(Err(Some(method))) => method,
            // The nesting is too deep: the method starts in a task of its own.
            Some(Err(None)) | None => {
                later::Running::new(self.dispatch_later(content, caller), self.id)
            }
        };
        self.run(method, deadline.zip(options.timeout))
    }

    fn dispatch_later(self: &Arc<Self>, content: Payload, caller: Caller) -> Later {
        let this = self.clone();
        trace::carry(Box::pin(async move {
            match this.dispatch(&content, &caller, trace::Id::NONE) {
                Outcome::Done(answer) => answer,
                Outcome::Later(later) => later.await,
                Outcome::NotFound | Outcome::NotExposed => Err(RemoteError::lookup("no method")),
            }
        }))
    }

    /// Runs a method in a task until it ends, times out or is cancelled.
    fn run(
        self: &Arc<Self>,
        method: later::Running,
        deadline: Option<(Instant, Duration)>,
    ) -> Called {
        let answer = Arc::<LocalAnswer>::default();
        self.local_calls.fetch_add(1, Ordering::Relaxed);
        let running = Running {
            container: self.clone(),
            stopped: Stop::stopped(answer.stop.clone()),
            answer: answer.clone(),
            method: Some(method),
        };
        self.host.spawn(Box::pin(running));
        let deadline = deadline.map(|(at, after)| Deadline::new(self.host.clone(), at, after));
        Called::Running(Box::new(LocalCall { answer, deadline }))
    }

    fn payload(&self, answer: Answer) -> Result<Payload, Error> {
        self.local_codec.answer(answer).map_err(Error::Remote)
    }
}

/// The task of a method that did not complete at once.
struct Running {
    container: Arc<ContainerShared>,
    answer: Arc<LocalAnswer>,
    stopped: Stopped,
    /// `None` after the end.
    method: Option<later::Running>,
}

impl Future for Running {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let Some(method) = &mut this.method else { return Poll::Ready(()) };
        if this.stopped.poll(cx).is_pending() {
            let answer = ready!(method.poll(cx));
            this.answer.put(this.container.payload(answer));
        }
        this.method = None;
        Poll::Ready(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.container.local_calls.fetch_sub(1, Ordering::Relaxed);
        // The runtime may end before the method does. The caller must not wait for ever.
        if self.method.take().is_some() {
            self.answer.put(Err(Error::runtime_ended(&self.container.address)));
        }
    }
}
