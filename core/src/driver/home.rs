//! Calls within a container: no stream in between, but by value as if there were.

use std::any::Any;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use super::Error;
use super::lock::lock;
use super::transport::Timer;
use crate::connection::CallOptions;
use crate::wire::{CodecError, Notation, Payload, Scope};

/// The notation of calls between agents of one container.
pub(super) const LOCAL: Notation = Notation::MsgPack;

/// What the container is to those within it.
pub(super) trait Home: Send + Sync {
    /// Calls an agent; `encode` appends the content of the request.
    fn call(self: Arc<Self>, options: CallOptions, encode: &Encode<'_>) -> LocalCall;

    /// What content is encoded against.
    fn scope(&self) -> &Scope;

    /// How many of its calls may wait for a value.
    fn max_mailbox(&self) -> u32;

    /// To be turned back into a container.
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

/// Appends content to a buffer.
pub(super) type Encode<'a> = dyn Fn(Notation, &Scope, &mut Vec<u8>) -> Result<(), CodecError> + 'a;

/// A call between agents of one container.
pub(super) enum LocalCall {
    Ended(Option<Result<Payload, Error>>),
    Running { place: Arc<Mutex<Place>>, deadline: Option<Deadline> },
}

/// When a call is given up.
pub(super) struct Deadline {
    pub(super) timer: Box<dyn Timer>,
    pub(super) error: Error,
}

/// Where the answer of a method waits that is not done at once.
#[derive(Default)]
pub(super) struct Place {
    pub(super) answer: Option<Result<Payload, Error>>,
    pub(super) waker: Option<Waker>,
}

impl LocalCall {
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Payload, Error>> {
        match self {
            Self::Ended(result) => result.take().map_or(Poll::Pending, Poll::Ready),
            Self::Running { place, deadline } => {
                let mut place = lock(place);
                if let Some(answer) = place.answer.take() {
                    return Poll::Ready(answer);
                }
                place.waker = Some(cx.waker().clone());
                drop(place);
                let Some(Deadline { timer, error }) = deadline else { return Poll::Pending };
                timer.poll(cx).map(|()| Err(error.clone()))
            }
        }
    }
}
