//! Request-reply channels: any content in both directions (aiomas' `channel`).

use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::acceptor::{Acceptor, NoStream};
use super::connection::{Connection, ConnectionRef, Handler, RoomToReply};
use super::host::BoxFuture;
use super::later::{Answer, Later};
use super::lock::lock;
use super::options::{self, Settings};
use super::runtime::Runtime;
use super::stop::Stop;
use super::stream::Stream;
use super::trace;
use super::waits;
use super::wakers::{Awaited, Registration, WakerSet};
use super::{Call, Error, Peer};
use aiomas_core::agent::{Address, RetryLimit, RetryPolicy};
use aiomas_core::connection::{
    self, AdmissionStats, CallOptions, Close, CloseReason, ReplyToken, RequestId, Side,
};
use aiomas_core::rpc::Outcome;
use aiomas_core::wire::{Body, Payload, RemoteError, Types, codec};

/// Marks builders of channels.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Messages;

/// Connects a [`Channel`], or listens for channels.
pub type Builder<R> = options::Builder<R, Messages>;

/// Returns a builder of channels on `runtime`.
pub fn builder<R: Runtime>(runtime: R) -> Builder<R> {
    Builder::new(runtime)
}

impl<R: Runtime> Builder<R> {
    /// Sets how [`connect`](Self::connect) retries. The default is [once](RetryLimit::Once). Other limits use the waits
    /// of aiomas' `timeout`: half a second, then half as long again each time, up to 30 s.
    pub fn retry(mut self, policy: impl Into<RetryPolicy>) -> Self {
        self.retry = policy.into();
        self
    }

    /// Retries until `time` has passed: [`RetryLimit::Within`].
    pub const fn within(mut self, time: Duration) -> Self {
        self.retry.limit = RetryLimit::Within(time);
        self
    }

    /// Sets the time limit for one dial attempt of [`connect`](Self::connect). It covers all addresses of the host and
    /// TLS. 10 s by default; at least 1 ms.
    pub const fn dial_timeout(mut self, time: Duration) -> Self {
        self.retry.dial_timeout = time;
        self
    }

    /// Opens a channel to the listener at `address`.
    ///
    /// # Errors
    /// [`Error::Url`], [`Error::Dial`] or [`Error::Tls`].
    ///
    /// # Cancel safety
    /// Dropping the future cancels the attempt.
    pub async fn connect(
        self,
        address: impl TryInto<Address, Error: Into<Error>>,
    ) -> Result<Channel, Error> {
        let address = address.try_into().map_err(Into::into)?;
        let retry = self.retry;
        let (settings, _) = self.settle(Types::clone)?;
        connect_with(settings, address, retry).await
    }

    /// Listens at `address`.
    ///
    /// # Errors
    /// [`Error::Url`] or [`Error::Bind`].
    pub async fn listen(
        self,
        address: impl TryInto<Address, Error: Into<Error>>,
    ) -> Result<Listener, Error> {
        let address = address.try_into().map_err(Into::into)?;
        let (settings, _) = self.settle(Types::clone)?;
        listen_with(settings, address).await
    }
}

// Boxed and not generic, so that these functions are compiled here, and not again in each program that connects or
// listens.

fn connect_with(
    settings: Settings,
    address: Address,
    retry: RetryPolicy,
) -> BoxFuture<Result<Channel, Error>> {
    Box::pin(async move {
        let stream = settings.dial_with(&address, &retry, |_| ()).await?;
        Ok(Channel::start(&settings, stream, Side::Dialler, 0))
    })
}

fn listen_with(settings: Settings, address: Address) -> BoxFuture<Result<Listener, Error>> {
    Box::pin(async move {
        let acceptor = settings.listen(&address).await?;
        let address = acceptor.address().map_err(|error| Error::bind(&address, &error))?;
        Ok(Listener { settings, acceptor, address, accepted: 0 })
    })
}

/// Accepts the channels that peers open.
#[must_use = "call `accept` to take channels; dropping the listener closes it"]
pub struct Listener {
    settings: Settings,
    acceptor: Acceptor,
    address: Address,
    accepted: u64,
}

impl Listener {
    /// Returns the address, with the real port.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Waits for the next channel. A channel without [room](connection::Limits::max_connections) is closed.
    ///
    /// # Errors
    /// [`Error::Tls`]: we refused a peer, or a peer refused us. Call `accept` again for the next one. (When the system has
    /// no stream, because the peer is gone again or the file descriptors are used up, the listener retries.)
    /// [`Error::Runtime`]: the runtime has ended, so no channel follows.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn accept(&mut self) -> Result<Channel, Error> {
        let stream = self.acceptor.next().await;
        let stream = stream.map_err(|error| match error {
            NoStream::Tls(error) => Error::Tls { address: self.address.clone(), error },
            NoStream::RuntimeEnded => Error::runtime_ended(&self.address),
        })?;
        self.accepted += 1;
        Ok(Channel::start(&self.settings, stream, Side::Listener, self.accepted))
    }

    /// Returns counts of the connections that were accepted or refused.
    #[must_use]
    pub fn admission(&self) -> AdmissionStats {
        self.acceptor.stats()
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").field(&self.address).finish()
    }
}

/// One end of a channel: it sends requests, and receives requests.
///
/// Cloning it is cheap. When the last clone is gone, the channel closes once the pending requests are answered;
/// requests that the program has not received fail.
#[derive(Clone)]
pub struct Channel {
    connection: ConnectionRef,
    inbox: Arc<Inbox>,
    options: CallOptions,
}

/// Requests that the program has not received yet. [`Limits::max_calls_in`](connection::Limits::max_calls_in) bounds
/// them.
#[derive(Default)]
struct Inbox {
    queue: Mutex<Queue>,
    /// The tasks that wait for the next request.
    wakers: WakerSet,
}

#[derive(Default)]
struct Queue {
    /// Keyed by id, which is the order of arrival. The peer chooses the requests that it cancels.
    requests: BTreeMap<RequestId, Request>,
    closed: bool,
    /// True once no more requests will be taken.
    closed_with: bool,
}

impl Inbox {
    fn change(&self, change: impl FnOnce(&mut Queue)) {
        change(&mut lock(&self.queue));
        self.wakers.wake();
    }
}

impl Awaited for Inbox {
    fn wakers(&self) -> &WakerSet {
        &self.wakers
    }
}

impl Handler for Inbox {
    fn handle(
        &self,
        connection: &Arc<Connection>,
        request: connection::Request,
    ) -> Option<(ReplyToken, Outcome<Later>)> {
        let connection::Request { token, content, deadline, .. } = request;
        // The program may keep the content as long as it likes, so the content must not pin the rest of its read
        // buffer.
        let content = content.unpinned();
        let stop = connection.stop_of(&token);
        let request = Request {
            span: trace::received(|| connection.host(), connection.caller(), &token),
            connection: connection.clone(),
            request: token.request(),
            token: Some(token),
            content,
            deadline,
            stop,
        };
        let mut request = Some(request);
        self.change(|queue| {
            if !queue.closed_with {
                queue.requests.extend(request.take().map(|request| (request.request, request)));
            }
        });
        // An untaken request fails when it is dropped.
        drop(request);
        None
    }

    fn cancelled(&self, requests: &[RequestId]) {
        let mut given_up = Vec::new();
        self.change(|queue| {
            let queue = &mut queue.requests;
            given_up.extend(requests.iter().filter_map(|id| queue.remove(id)));
        });
        // Their answers are not sent.
        drop(given_up);
    }

    fn closed(&self, _: &Arc<Connection>, _: &CloseReason) {
        self.change(|queue| queue.closed = true);
    }

    fn unused(&self) {
        let requests = {
            let mut queue = lock(&self.queue);
            queue.closed_with = true;
            std::mem::take(&mut queue.requests)
        };
        drop(requests);
    }
}

impl Channel {
    fn start(settings: &Settings, stream: Stream, side: Side, id: u64) -> Self {
        let inbox = Arc::<Inbox>::default();
        let connection = settings.connection(&stream, side, id, true, inbox.clone());
        let options = CallOptions::default();
        let channel = Self { connection: ConnectionRef::new(connection.clone()), inbox, options };
        stream.start(connection);
        channel
    }

    /// Returns the same channel with a call timeout, after which calls end with [`Error::TimedOut`]. The peer sees the
    /// time left ([`Request::time_left`]) if both sides have agreed on that.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { options: CallOptions::timeout(timeout), ..self.clone() }
    }

    /// Sends a request. The returned call resolves to the reply.
    pub fn send<T: DeserializeOwned>(&self, content: &(impl Serialize + ?Sized)) -> Call<T> {
        let connection = &self.connection;
        let span =
            trace::call("", "", || Some((connection.host(), connection.caller().address.clone())));
        let call = Call::over(connection, self.options, |format, codec_context, out| {
            codec::encode(format, codec_context, content, out)
        });
        call.traced(span)
    }

    /// Receives the next request of the peer; `None` when the channel is closed. It waits while the peer does not read
    /// its answers ([`Limits::output_cap`](connection::Limits::output_cap)).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn recv(&self) -> Option<Request> {
        // Without this wait, a program that answers each request at once could buffer any number of answers.
        let mut room = RoomToReply::new(&self.connection);
        let mut waiting = Registration::new(&*self.inbox);
        poll_fn(|cx| {
            ready!(room.poll(cx));
            let mut queue = lock(&self.inbox.queue);
            match queue.requests.pop_first() {
                Some((_, request)) => Poll::Ready(Some(request)),
                None if queue.closed => Poll::Ready(None),
                None => {
                    waiting.register(cx);
                    let peer = self.connection.peer();
                    waits::note(|| format!("for a request of {}", peer.unwrap_or("a peer")));
                    Poll::Pending
                }
            }
        })
        .await
    }

    /// Returns the peer, with the state of the connection.
    #[must_use]
    pub fn peer(&self) -> Peer {
        Peer::of_connection(Arc::clone(&self.connection))
    }

    /// Closes the channel once pending requests are answered, within ten seconds (see [`Builder::drain`]).
    pub fn close(&self) {
        self.close_with(Close::AfterAnswers { within: self.connection.drain() });
    }

    /// Closes the channel; `how` decides the fate of unanswered requests.
    pub fn close_with(&self, how: Close) {
        self.connection.close(how);
    }

    /// Waits until the channel is closed, and returns the reason.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn closed(&self) -> CloseReason {
        self.connection.closed().await
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("peer", &self.connection.peer()).finish_non_exhaustive()
    }
}

/// A request of the peer. Dropping it unanswered answers with a failure.
#[must_use = "the other side waits for an answer"]
pub struct Request {
    connection: Arc<Connection>,
    request: RequestId,
    /// Taken by the answer.
    token: Option<ReplyToken>,
    content: Payload,
    deadline: Option<Instant>,
    /// Signals that the peer waits no longer, where an extension or a deadline allows it.
    stop: Option<Arc<Stop>>,
    span: trace::RequestSpan,
}

impl Request {
    /// Decodes the content.
    ///
    /// # Errors
    /// [`Error::Content`]: the content is not a `T`.
    pub fn content<T: DeserializeOwned>(&self) -> Result<T, Error> {
        self.content.decode().map_err(Error::Content)
    }

    /// Returns the undecoded content.
    #[must_use]
    pub const fn payload(&self) -> &Payload {
        &self.content
    }

    /// Returns the peer's deadline, if the peer has sent one: its call has a timeout, and both sides have agreed on
    /// deadlines in Hello (see [`Extensions`](connection::Extensions)).
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Returns how long the peer still waits; `None` without a deadline.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        Some(self.deadline?.saturating_duration_since(self.connection.now()))
    }

    /// Returns whether the peer no longer waits for the answer: see [`cancelled`](Self::cancelled).
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.stop.as_ref().is_some_and(|stop| stop.is_stopped()) || self.connection.is_closed()
    }

    /// Waits until the peer no longer waits for the answer: it has cancelled the call (if both sides have agreed on
    /// that in Hello), its deadline has passed, or the channel is closed. The request counts as pending until it is
    /// dropped or answered; its answer is not sent.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn cancelled(&self) {
        let mut stopped = self.stop.clone().map(Stop::stopped);
        let mut closed = Registration::new(&*self.connection);
        poll_fn(|cx| {
            let stopped = stopped.as_mut().is_some_and(|stopped| stopped.poll(cx).is_ready());
            let closed = Connection::poll_closed(&mut closed, cx);
            if stopped { Poll::Ready(()) } else { closed.map(drop) }
        })
        .await;
    }

    /// Answers the request. If the value cannot be encoded, the peer receives a `SerializationError`.
    ///
    /// # Errors
    /// [`Error::Refused`]: the channel is closed, the request [cancelled](Self::cancelled), or the value cannot be
    /// sent.
    pub fn reply(mut self, value: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        let (format, codec_context) = (self.content.format(), self.content.codec_context());
        let body = Body::encode(format, codec_context, value);
        let error = body.as_ref().err().cloned();
        self.answer(body.map_err(RemoteError::serialization))?;
        match error {
            Some(error) => Err(connection::CallRejected::Codec(error).into()),
            None => Ok(()),
        }
    }

    /// Answers the request once the peer has read enough of earlier answers. Use it for long answers from several
    /// tasks: [`reply`](Self::reply) buffers unwritten answers with no bound but
    /// [`Limits::max_calls_in`](connection::Limits::max_calls_in).
    ///
    /// # Errors
    /// The errors of [`reply`](Self::reply).
    ///
    /// # Cancel safety
    /// Dropping the future drops the request, which answers with a failure.
    pub async fn send_reply(self, value: &(impl Serialize + ?Sized)) -> Result<(), Error> {
        RoomToReply::new(&self.connection).wait().await;
        self.reply(value)
    }

    /// Answers with a failure.
    ///
    /// # Errors
    /// [`Error::Refused`]: the channel is closed, or the request [cancelled](Self::cancelled).
    pub fn fail(mut self, error: impl Into<RemoteError>) -> Result<(), Error> {
        self.answer(Err(error.into()))
    }

    /// Discards the request without an answer, for requests that want none, such as mosaik's `stop`. A peer that waits
    /// for an answer waits in vain.
    pub fn discard(mut self) {
        if let Some(token) = self.token.take() {
            self.connection.discard(token);
        }
    }

    fn answer(&mut self, answer: Answer) -> Result<(), Error> {
        match self.token.take() {
            Some(token) => {
                self.span.end(&answer);
                self.connection.respond(token, &answer).map_err(Error::from)
            }
            None => Ok(()),
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        // On a closed channel, the peer no longer waits.
        let _sent = self.answer(Err(RemoteError::new("RuntimeError", "the request was dropped")));
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Request").field(&self.content).finish()
    }
}
