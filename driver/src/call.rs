//! Pending calls.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use serde::de::DeserializeOwned;

use super::Error;
use super::call_state::CallState;
use super::connection::{Connection, NotSent, SlotKey};
use super::deadline::Deadline;
use super::local_dispatch::{Called, Encode};
use super::reconnect::ReconnectShared;
use super::trace::CallSpan;
use super::waits;
use aiomas_core::connection::{CallOptions, CallRejected};
use aiomas_core::wire::{Body, CodecContext, CodecError, Format, Payload};

/// A pending call that resolves to a `T` or an [`Error`].
///
/// The request is sent as soon as the call is made, whether or not the call is awaited. Calls over one connection are
/// sent in the order in which they are made.
///
/// # Cancel safety
///
/// Dropping a call cancels it: its slot is free at once, and a late answer is ignored. The caller cannot know how far
/// the method got. A request that still waits for [room](aiomas_core::connection::Limits::max_calls_out) is not sent. A
/// sent request is cancelled at the peer if both sides have agreed on that (see
/// [`Extensions`](aiomas_core::connection::Extensions)), and always within a container: an async method is dropped at
/// its next await, and a queued call is not started. Any other callee, such as one in Python, does not learn of it and
/// goes on.
///
/// The same happens when the call times out. To let a method finish without needing its result, await the call in a
/// task of its own: [`Context::spawn`](super::Context::spawn) and
/// [`Container::spawn_task`](super::Container::spawn_task) run one on any runtime.
#[must_use = "a call that is dropped is cancelled: .await it"]
pub struct Call<T> {
    state: CallState,
    /// Present for calls that are queued or may be resent. Most calls have none and allocate nothing.
    unsent: Option<Box<Unsent>>,
    span: CallSpan,
    result: PhantomData<fn() -> T>,
}

/// State to send a call, now or again.
struct Unsent {
    body: Body,
    /// The deadline of the whole call. Each attempt gets the time that is left.
    deadline: Option<Deadline>,
    /// The position in the send queue.
    place: Option<u64>,
    reconnects: Option<Reconnects>,
}

/// State of a call that may use several connections in turn.
struct Reconnects {
    reconnecting: Arc<ReconnectShared>,
    /// The position among the calls that wait for a connection.
    order: u64,
    /// Allows a resend after a loss, until `until` if that is not `None`.
    idempotent: bool,
    until: Option<Instant>,
    /// True once the call was lost after it was, or may have been, sent.
    was_sent: bool,
}

impl<T> Call<T> {
    const fn new(state: CallState, unsent: Option<Box<Unsent>>) -> Self {
        Self { state, unsent, span: CallSpan::NONE, result: PhantomData }
    }

    /// Makes a call over a connection; `encode` appends the content.
    #[inline]
    pub(super) fn over(
        connection: &Arc<Connection>,
        options: CallOptions,
        encode: impl Fn(Format, &CodecContext, &mut Vec<u8>) -> Result<(), CodecError>,
    ) -> Self {
        match connection.call(options, encode) {
            Ok(key) => Self::new(CallState::InFlight(connection.clone(), key), None),
            Err(NotSent { body: Some(body), .. }) => {
                let unsent = Unsent::new(body, Deadline::of_call(connection.host(), options));
                Self::new(CallState::QueuedToSend(connection.clone()), Some(unsent))
            }
            Err(NotSent { why, body: None }) => Self::failed(connection.refusal(why)),
        }
    }

    /// Makes a call over the present connection, or over the next one.
    pub(super) fn reconnecting(
        reconnecting: &Arc<ReconnectShared>,
        options: CallOptions,
        idempotent: bool,
        encode: &Encode<'_>,
    ) -> Self {
        let mut connected = None;
        if !idempotent && let Some(connection) = reconnecting.free_connection() {
            match connection.call(options, encode) {
                // A call that is not idempotent is sent once, so it needs no resend state.
                Ok(key) => return Self::new(CallState::InFlight(connection, key), None),
                Err(NotSent { body: Some(body), .. }) => connected = Some((connection, body)),
                Err(NotSent { why: CallRejected::Closed, .. }) => {}
                Err(NotSent { why, .. }) => return Self::failed(why.into()),
            }
        }
        let (connection, body) = match connected {
            Some((connection, body)) => (Some(connection), Ok(body)),
            None => (None, reconnecting.encode(encode)),
        };
        let mut unsent = match body {
            Ok(body) => Unsent::new(body, Deadline::of_call(reconnecting.host.clone(), options)),
            Err(error) => return Self::failed(error),
        };
        unsent.reconnects = Some(Reconnects::new(reconnecting, options, idempotent));
        let state = match connection {
            Some(connection) => CallState::QueuedToSend(connection),
            None => unsent.send().unwrap_or_else(|error| CallState::done(Err(error))),
        };
        Self::new(state, Some(unsent))
    }

    /// Wraps a call within the same container.
    pub(super) fn local(called: Called) -> Self {
        let state = match called {
            Called::Done(result) => CallState::done(result),
            Called::Running(call) => CallState::InFlightLocally(call),
        };
        Self::new(state, None)
    }

    #[cold]
    pub(super) fn failed(error: Error) -> Self {
        Self::new(CallState::done(Err(error)), None)
    }

    /// Attaches `span`, which traces the call.
    #[inline]
    pub(super) fn traced(mut self, span: CallSpan) -> Self {
        span.id(|| self.state.id());
        self.span = span;
        self
    }

    /// Waits for the answer without decoding it.
    ///
    /// # Errors
    /// The errors of the call, except [`Error::Answer`].
    ///
    /// # Cancel safety
    /// The same as for the call.
    pub fn payload(self) -> impl Future<Output = Result<Payload, Error>> + Send {
        let mut call = self;
        std::future::poll_fn(move |cx| call.poll_payload(cx))
    }

    #[inline]
    fn poll_payload(&mut self, cx: &mut Context<'_>) -> Poll<Result<Payload, Error>> {
        // The common case is polled here, where the compiler can inline it.
        let (CallState::InFlight(connection, key), None) = (&self.state, &self.unsent) else {
            return self.poll_other(cx);
        };
        let answer = ready!(connection.poll_answer(*key, cx)).map_err(Error::from);
        self.state = CallState::TAKEN;
        self.span.end(&answer);
        Poll::Ready(answer)
    }

    #[inline(never)]
    fn poll_other(&mut self, cx: &mut Context<'_>) -> Poll<Result<Payload, Error>> {
        let answer = poll(&mut self.state, self.unsent.as_deref_mut(), cx);
        match &answer {
            Poll::Ready(answer) => {
                self.state = CallState::TAKEN;
                self.span.end(answer);
            }
            // The call may have been sent by now.
            Poll::Pending => self.span.id(|| self.state.id()),
        }
        answer
    }

    fn waits_for(&self) -> String {
        match &self.state {
            CallState::InFlight(connection, _) => {
                format!("for the answer of {}", connection.peer_name())
            }
            CallState::QueuedToSend(connection) => {
                format!("for room to call {}", connection.peer_name())
            }
            CallState::QueuedToConnect => {
                let reconnects = self.unsent.as_ref().and_then(|unsent| unsent.reconnects.as_ref());
                let connection = reconnects.map(|to| to.reconnecting.connection());
                let peer =
                    connection.as_ref().map_or("a peer", |connection| connection.peer_name());
                format!("for a connection to {peer}")
            }
            CallState::InFlightLocally(_) => {
                "for the answer of an agent in the same container".to_owned()
            }
            CallState::Done(_) => "for the answer of a call that has ended".to_owned(),
        }
    }
}

/// Polls a call through all its states until it is done.
fn poll(
    state: &mut CallState,
    mut unsent: Option<&mut Unsent>,
    cx: &mut Context<'_>,
) -> Poll<Result<Payload, Error>> {
    loop {
        let polled = match (&mut *state, unsent.as_deref_mut()) {
            (CallState::InFlight(connection, key), _) => {
                ready!(connection.poll_answer(*key, cx)).map_err(Error::from)
            }
            (CallState::InFlightLocally(call), _) => return call.poll(cx),
            (CallState::QueuedToSend(connection), Some(unsent)) => {
                match ready!(unsent.poll_send(connection, cx)) {
                    Ok(key) => {
                        *state = CallState::InFlight(connection.clone(), key);
                        continue;
                    }
                    Err(error) => Err(error),
                }
            }
            (CallState::QueuedToConnect, Some(unsent)) => {
                match ready!(unsent.poll_connected(cx)) {
                    Ok(sent) => {
                        *state = sent;
                        continue;
                    }
                    // This error is final, whether or not the call is idempotent.
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
            (CallState::Done(result), _) => {
                // Like any future polled after completion, the call stays pending.
                return result.take().map_or(Poll::Pending, |result| Poll::Ready(*result));
            }
            (CallState::QueuedToSend(_) | CallState::QueuedToConnect, None) => {
                return Poll::Pending;
            }
        };
        match (polled, unsent.as_deref_mut()) {
            (Err(error), Some(unsent)) => match unsent.send_again(error) {
                Ok(sent) => *state = sent,
                Err(error) => return Poll::Ready(Err(error)),
            },
            (result, _) => return Poll::Ready(result),
        }
    }
}

impl Unsent {
    fn new(body: Body, deadline: Option<Deadline>) -> Box<Self> {
        Box::new(Self { body, deadline, place: None, reconnects: None })
    }

    /// Waits until the call is sent over `connection`.
    fn poll_send(
        &mut self,
        connection: &Connection,
        cx: &mut Context<'_>,
    ) -> Poll<Result<SlotKey, Error>> {
        let at = self.deadline.as_ref().map(|deadline| deadline.at);
        let sent = connection.poll_send(cx, &mut self.body, at, &mut self.place);
        if sent.is_ready() {
            return sent;
        }
        let Some(deadline) = &mut self.deadline else { return Poll::Pending };
        let error = ready!(deadline.poll(cx, false));
        connection.cancel_send(&mut self.place);
        Poll::Ready(Err(error))
    }

    /// Waits for a connection, and for the call to be sent over it.
    fn poll_connected(&mut self, cx: &mut Context<'_>) -> Poll<Result<CallState, Error>> {
        let Some(Reconnects { reconnecting, order, was_sent, .. }) = &self.reconnects else {
            return Poll::Pending;
        };
        let sent = reconnecting.poll(*order, cx);
        if sent.is_ready() {
            return sent;
        }
        let Some(deadline) = &mut self.deadline else { return Poll::Pending };
        let error = ready!(deadline.poll(cx, *was_sent));
        reconnecting.cancel(*order);
        Poll::Ready(Err(error))
    }

    /// Sends the call over the present connection, or queues it for the next.
    fn send(&self) -> Result<CallState, Error> {
        let Some(Reconnects { reconnecting, order, .. }) = &self.reconnects else {
            return Err(CallRejected::Closed.into());
        };
        let deadline = self.deadline.as_ref().map(Deadline::time);
        if let Some(connection) = reconnecting.free_connection() {
            match reconnecting.send(&connection, &self.body, deadline) {
                Err(Error::Refused(CallRejected::Closed)) => {}
                sent => return sent,
            }
        }
        reconnecting.enqueue(*order, &self.body, deadline)?;
        Ok(CallState::QueuedToConnect)
    }

    /// Resends the call after `error`, if allowed. The call was sent, or nearly.
    fn send_again(&mut self, error: Error) -> Result<CallState, Error> {
        let was_sent = match &mut self.reconnects {
            None => false,
            Some(Reconnects { reconnecting, idempotent, until, was_sent, .. }) => {
                *was_sent |= matches!(error, Error::Lost(_));
                let again = match &error {
                    // The call was not sent.
                    Error::Refused(CallRejected::Closed) => true,
                    Error::Lost(_) => {
                        *idempotent && until.is_none_or(|until| reconnecting.host.now() < until)
                    }
                    _ => false,
                };
                let was_sent = *was_sent;
                if again {
                    self.place = None;
                    return self.send().map_err(|new| match new {
                        Error::TimedOut { .. } => self.in_all(new, was_sent),
                        _ => error,
                    });
                }
                was_sent
            }
        };
        Err(self.in_all(error, was_sent))
    }

    /// Makes a timeout report the call's full time, not that of the last attempt.
    fn in_all(&self, error: Error, was_sent: bool) -> Error {
        match (error, &self.deadline) {
            (Error::TimedOut { sent, .. }, Some(deadline)) => deadline.error(sent || was_sent),
            (error, _) => error,
        }
    }
}

impl Reconnects {
    fn new(reconnecting: &Arc<ReconnectShared>, options: CallOptions, idempotent: bool) -> Self {
        let until = reconnecting.repeats_until(options.timeout);
        let order = reconnecting.next_order();
        Self { reconnecting: reconnecting.clone(), order, idempotent, until, was_sent: false }
    }
}

impl<T: DeserializeOwned> Future for Call<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T, Error>> {
        let payload = match self.poll_payload(cx) {
            Poll::Ready(Ok(payload)) => payload,
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
            Poll::Pending => {
                waits::note(|| self.waits_for());
                return Poll::Pending;
            }
        };
        Poll::Ready(payload.decode().map_err(Error::Answer))
    }
}

impl<T> Drop for Call<T> {
    fn drop(&mut self) {
        let state = std::mem::replace(&mut self.state, CallState::TAKEN);
        if matches!(state, CallState::Done(None)) {
            return;
        }
        let mut place = None;
        if let Some(unsent) = &mut self.unsent {
            place = unsent.place;
            if let Some(Reconnects { reconnecting, order, .. }) = &unsent.reconnects {
                reconnecting.cancel(*order);
            }
        }
        state.cancel(&mut place);
        self.span.given_up();
    }
}

impl<T> fmt::Debug for Call<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.state {
            CallState::QueuedToConnect => "Call(queued to connect)",
            CallState::QueuedToSend(_) => "Call(queued to send)",
            CallState::InFlight(..) => "Call(in flight)",
            CallState::InFlightLocally(_) => "Call(in flight locally)",
            CallState::Done(_) => "Call(done)",
        })
    }
}
