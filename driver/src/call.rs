//! Calls that have been made.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::Error;
use super::connection::{Attempt, Connection, SlotKey, Unsent};
use super::local_dispatch::LocalCall;
use super::reconnect::{Made, ReconnectingCall, Started};
use super::trace::CallSpan;
use super::waits;
use aiomas_core::connection::{CallId, CallRejected};
use aiomas_core::wire::Payload;

/// A call that has been made, and will end in a `T` or an [`Error`].
///
/// The request is on its way as soon as the call is made, whether or not it is awaited; calls over one
/// connection are sent in the order in which they are made.
///
/// # Cancel safety
///
/// Dropping a call gives it up: its place is free at once and an answer that still comes is ignored. How far
/// the method has come cannot be known. A request that still waits for
/// [room](aiomas_core::connection::Limits::max_calls_out) is not sent; one that has been sent is cancelled if both
/// sides have agreed on that (see [`Extensions`](aiomas_core::connection::Extensions)), and always within a container:
/// an async method is dropped where it waits next, and a call that waits for its turn is not started. Any other
/// callee, such as one in Python, is not told, and goes on.
///
/// The same happens when the call's timeout ends it. To let a method go on that nobody waits for, await the call in
/// a task of its own: [`Context::spawn`](super::Context::spawn) and
/// [`Container::spawn_task`](super::Container::spawn_task) run one, on any runtime.
#[must_use = "a call that is dropped is given up: .await it"]
pub struct Call<T> {
    state: State,
    span: CallSpan,
    result: PhantomData<fn() -> T>,
}

enum State {
    Sent {
        connection: Arc<Connection>,
        key: SlotKey,
    },
    /// Whatever is not so common: kept apart so that calls are small.
    Other(Box<Other>),
    Ended,
}

enum Other {
    /// Until there is room.
    Waits {
        connection: Arc<Connection>,
        unsent: Unsent,
    },
    /// It has waited for room, which was part of its time.
    Waited {
        connection: Arc<Connection>,
        key: SlotKey,
        timeout: Duration,
    },
    Local(LocalCall),
    /// Over a line; `made` has ended while it waits for a connection.
    Reconnecting {
        call: Box<ReconnectingCall>,
        made: State,
    },
    Failed(Error),
}

impl<T> Call<T> {
    const fn new(state: State) -> Self {
        Self { state, span: CallSpan::NONE, result: PhantomData }
    }

    fn other(other: Other) -> Self {
        Self::new(State::Other(Box::new(other)))
    }

    #[inline]
    pub(super) fn remote(
        connection: &Arc<Connection>,
        attempt: Result<Attempt, CallRejected>,
    ) -> Self {
        match attempt {
            Ok(attempt) => Self::new(State::over(connection, attempt)),
            Err(why) => Self::failed(connection.refusal(why)),
        }
    }

    pub(super) fn reconnecting(made: Result<Made, Error>) -> Self {
        match made {
            Ok(Made::Sent(connection, key)) => Self::new(State::Sent { connection, key }),
            Ok(Made::Kept(call, started)) => {
                Self::other(Other::Reconnecting { call, made: State::started(started) })
            }
            Err(error) => Self::failed(error),
        }
    }

    pub(super) fn local(call: LocalCall) -> Self {
        Self::other(Other::Local(call))
    }

    #[cold]
    pub(super) fn failed(error: Error) -> Self {
        Self::other(Other::Failed(error))
    }

    /// The same call, of which `span` tells.
    #[inline]
    pub(super) fn traced(mut self, span: CallSpan) -> Self {
        span.id(|| self.state.id());
        self.span = span;
        self
    }

    /// Waits for the answer without decoding it.
    ///
    /// # Errors
    /// As of the call, but for [`Error::Answer`].
    ///
    /// # Cancel safety
    /// As of the call.
    pub fn payload(self) -> impl Future<Output = Result<Payload, Error>> + Send {
        let mut call = self;
        std::future::poll_fn(move |cx| call.poll_payload(cx))
    }

    #[inline]
    fn poll_payload(&mut self, cx: &mut Context<'_>) -> Poll<Result<Payload, Error>> {
        // What is common is polled here, where it can be inlined.
        let State::Sent { connection, key } = &self.state else { return self.poll_other(cx) };
        let answer = ready!(connection.poll_answer(*key, cx)).map_err(Error::from);
        self.state = State::Ended;
        self.span.end(&answer);
        Poll::Ready(answer)
    }

    fn poll_other(&mut self, cx: &mut Context<'_>) -> Poll<Result<Payload, Error>> {
        let answer = self.state.poll(cx);
        match &answer {
            Poll::Ready(answer) => self.span.end(answer),
            // It may have been sent by now.
            Poll::Pending => self.span.id(|| self.state.id()),
        }
        answer
    }
}

impl State {
    #[inline]
    fn over(connection: &Arc<Connection>, attempt: Attempt) -> Self {
        let connection = connection.clone();
        match attempt {
            Attempt::Sent(key) => Self::Sent { connection, key },
            Attempt::Waits(unsent) => Self::Other(Box::new(Other::Waits { connection, unsent })),
        }
    }

    fn started(started: Option<Started>) -> Self {
        started.map_or(Self::Ended, |(connection, attempt)| Self::over(&connection, attempt))
    }

    #[inline(never)]
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Payload, Error>> {
        loop {
            let result = match self {
                Self::Sent { connection, key } => {
                    ready!(connection.poll_answer(*key, cx)).map_err(Error::from)
                }
                Self::Other(other) => match &mut **other {
                    Other::Waits { connection, unsent } => {
                        match ready!(connection.poll_send(cx, unsent)) {
                            Ok(key) => {
                                let connection = connection.clone();
                                match unsent.timeout() {
                                    None => *self = Self::Sent { connection, key },
                                    Some(timeout) => {
                                        **other = Other::Waited { connection, key, timeout }
                                    }
                                }
                                continue;
                            }
                            Err(error) => Err(error),
                        }
                    }
                    Other::Waited { connection, key, timeout } => {
                        ready!(connection.poll_answer(*key, cx)).map_err(|error| {
                            match error.into() {
                                Error::TimedOut { sent, .. } => {
                                    Error::TimedOut { after: *timeout, sent }
                                }
                                other => other,
                            }
                        })
                    }
                    Other::Local(call) => ready!(call.poll(cx)),
                    Other::Reconnecting { call, made } => ready!(poll_line(call, made, cx)),
                    Other::Failed(error) => Err(error.clone()),
                },
                // As of any future that is polled after its end, nothing comes.
                Self::Ended => return Poll::Pending,
            };
            *self = Self::Ended;
            return Poll::Ready(result);
        }
    }

    /// The call's id on the wire, once it has been sent.
    fn id(&self) -> Option<CallId> {
        match self {
            Self::Sent { connection, key } => connection.call_id(*key),
            Self::Other(other) => match &**other {
                Other::Waited { connection, key, .. } => connection.call_id(*key),
                Other::Reconnecting { made, .. } => made.id(),
                Other::Waits { .. } | Other::Local(_) | Other::Failed(_) => None,
            },
            Self::Ended => None,
        }
    }

    #[inline(never)]
    fn cancel(&mut self) {
        match self {
            Self::Sent { connection, key } => connection.cancel(*key),
            Self::Other(other) => match &mut **other {
                Other::Waits { connection, unsent } => connection.cancel_send(unsent),
                Other::Waited { connection, key, .. } => connection.cancel(*key),
                Other::Reconnecting { call, made } => {
                    made.cancel();
                    call.cancel();
                }
                Other::Local(call) => call.cancel(),
                Other::Failed(_) => {}
            },
            Self::Ended => {}
        }
    }

    fn waits_for(&self) -> String {
        let peer = |connection: &Connection| {
            connection.peer().unwrap_or("a peer without an address").to_owned()
        };
        match self {
            Self::Sent { connection, .. } => format!("for the answer of {}", peer(connection)),
            Self::Other(other) => match &**other {
                Other::Waits { connection, .. } => format!("for room to call {}", peer(connection)),
                Other::Waited { connection, .. } => {
                    format!("for the answer of {}", peer(connection))
                }
                Other::Local(_) => "for the answer of an agent in the same container".to_owned(),
                Other::Reconnecting { call, made: Self::Ended } => {
                    format!("for a connection to {}", call.peer())
                }
                Other::Reconnecting { made, .. } => made.waits_for(),
                Other::Failed(_) => "for nothing".to_owned(),
            },
            Self::Ended => "for the answer of a call that has ended".to_owned(),
        }
    }
}

/// Lets a call over a line be sent, and again if it may be.
fn poll_line(
    call: &mut ReconnectingCall,
    made: &mut State,
    cx: &mut Context<'_>,
) -> Poll<Result<Payload, Error>> {
    loop {
        if matches!(made, State::Ended) {
            match ready!(call.poll(cx)) {
                Ok(started) => *made = State::started(Some(started)),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        match ready!(made.poll(cx)) {
            Ok(payload) => return Poll::Ready(Ok(payload)),
            Err(error) => match call.go_on(error) {
                Ok(started) => *made = State::started(started),
                Err(error) => return Poll::Ready(Err(error)),
            },
        }
    }
}

impl<T: DeserializeOwned> Future for Call<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, Error>> {
        let payload = match self.poll_payload(cx) {
            Poll::Ready(Ok(payload)) => payload,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => {
                waits::note(|| self.state.waits_for());
                return Poll::Pending;
            }
        };
        Poll::Ready(payload.decode().map_err(Error::Answer))
    }
}

impl<T> Drop for Call<T> {
    fn drop(&mut self) {
        if !matches!(self.state, State::Ended) {
            self.state.cancel();
            self.span.given_up();
        }
    }
}

impl<T> fmt::Debug for Call<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.state {
            State::Sent { .. } => "Call(sent)",
            State::Other(other) => match **other {
                Other::Waits { .. } => "Call(waits)",
                Other::Waited { .. } => "Call(sent)",
                Other::Local(_) => "Call(local)",
                Other::Reconnecting { .. } => "Call(line)",
                Other::Failed(_) => "Call(failed)",
            },
            State::Ended => "Call(ended)",
        })
    }
}
