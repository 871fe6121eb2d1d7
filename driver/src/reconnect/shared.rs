//! State shared by the proxies, calls and dialling task of a reconnecting connection.

use std::fmt;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::queue::{CallQueue, CallTime};
use super::redial::{Attempts, Redial};
use super::redial_backoff::RedialBackoff;
use super::state::ConnectionState;
use crate::Error;
use crate::call_state::CallState;
use crate::cancel::{Canceller, cancellable};
use crate::connection::{Connection, ConnectionRef, NotSent, append};
use crate::contain::wake_all;
use crate::host::{BoxFuture, Host, sleep_until};
use crate::local_dispatch::Encode;
use crate::lock::lock;
use crate::wakers::{Registration, WakerSet};
use aiomas_core::agent::{RetryLimit, RetryPolicy};
use aiomas_core::connection::{CallOptions, CallRejected, Close};
use aiomas_core::internal::Scratch;
use aiomas_core::wire::Body;

/// A reconnecting connection. Its lock is held briefly. The only lock taken under it is that of a connection, to ask
/// whether it is open.
pub(crate) struct ReconnectShared {
    this: Weak<Self>,
    pub(crate) host: Arc<dyn Host>,
    redial: Arc<dyn Redial>,
    policy: RetryPolicy,
    state: Mutex<State>,
    /// The tasks that watch the state. They do not keep the connection alive.
    watching: Arc<WakerSet>,
}

struct State {
    /// The present connection, or the last one.
    connection: ConnectionRef,
    phase: Phase,
    calls: CallQueue,
    /// Cancels the task that dials, and then sends the waiting calls.
    search: Option<Canceller>,
    backoff: RedialBackoff,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A connection was opened. The connection itself knows whether it still accepts calls.
    Connected,
    Dialling {
        attempt: u32,
    },
    GaveUp,
    Closed,
}

impl ReconnectShared {
    /// Creates a reconnecting connection around its first connection.
    pub(crate) fn new(
        host: Arc<dyn Host>,
        connection: ConnectionRef,
        redial: impl Redial + 'static,
        policy: RetryPolicy,
        limit: usize,
    ) -> Arc<Self> {
        connection.watch_silence();
        let backoff = RedialBackoff::new(policy.backoff, host.seed(), host.now());
        Arc::new_cyclic(|this| Self {
            this: this.clone(),
            host,
            redial: Arc::new(redial),
            policy,
            state: Mutex::new(State {
                connection,
                phase: Phase::Connected,
                calls: CallQueue::new(limit),
                search: None,
                backoff,
            }),
            watching: Arc::default(),
        })
    }

    /// Returns the present connection, or the last one.
    pub(crate) fn connection(&self) -> Arc<Connection> {
        lock(&self.state).connection.clone_connection()
    }

    pub(crate) fn state(&self) -> ConnectionState {
        let state = lock(&self.state);
        match state.phase {
            Phase::Connected if state.connection.is_open() => ConnectionState::Connected,
            Phase::Connected => ConnectionState::Lost,
            Phase::Dialling { attempt } => ConnectionState::Dialling { attempt },
            Phase::GaveUp => ConnectionState::GaveUp,
            Phase::Closed => ConnectionState::Closed,
        }
    }

    /// Returns the state, and registers the task for its next change.
    pub(super) fn poll_state(&self, watch: &mut Watch, cx: &Context<'_>) -> ConnectionState {
        let connection = self.connection();
        let reconnecting =
            watch.reconnecting.get_or_insert_with(|| Registration::new(self.watching.clone()));
        reconnecting.register(cx);
        match &mut watch.connection {
            Some(registration) if Arc::ptr_eq(registration.awaited(), &connection) => {
                registration.register(cx);
            }
            other => other.insert(Registration::new(connection)).register(cx),
        }
        self.state()
    }

    /// Returns the connection, if it can send calls at once.
    pub(crate) fn free_connection(&self) -> Option<Arc<Connection>> {
        let state = lock(&self.state);
        // A running search is still sending the waiting calls.
        let free = state.phase == Phase::Connected && state.search.is_none();
        free.then(|| state.connection.clone_connection())
    }

    /// Returns the time until which a call made now may be resent.
    pub(crate) fn repeats_until(&self, timeout: Option<Duration>) -> Option<Instant> {
        let time = timeout.or(match self.policy.limit {
            RetryLimit::Once => Some(self.policy.dial_timeout),
            RetryLimit::Within(time) => Some(time),
            RetryLimit::Forever => None,
        })?;
        self.host.now().checked_add(time)
    }

    /// Returns the order of a new call.
    pub(crate) fn next_order(&self) -> u64 {
        lock(&self.state).calls.next_order()
    }

    /// Encodes content to send now or later.
    pub(crate) fn encode(&self, encode: &Encode<'_>) -> Result<Body, Error> {
        let connection = self.connection();
        let format = connection.format();
        let encoded =
            Scratch::encode(format, |out| encode(format, connection.codec_context(), out));
        Ok(encoded.map_err(CallRejected::Codec)?.into_body())
    }

    /// Sends a call over `connection`, or queues the call there.
    pub(crate) fn send(
        &self,
        connection: &Arc<Connection>,
        body: &Body,
        time: Option<CallTime>,
    ) -> Result<CallState, Error> {
        let mut options = CallOptions::default();
        if let Some((at, after)) = time {
            let left = at.saturating_duration_since(self.host.now());
            if left.is_zero() {
                return Err(Error::TimedOut { after, sent: false });
            }
            options.timeout = Some(left);
        }
        let sent = connection
            .call(options, |format, codec_context, out| append(body, format, codec_context, out));
        match sent {
            Ok(key) => Ok(CallState::InFlight(connection.clone(), key)),
            // The call keeps its content.
            Err(NotSent { body: Some(_), .. }) => Ok(CallState::QueuedToSend(connection.clone())),
            Err(NotSent { why, body: None }) => Err(why.into()),
        }
    }

    /// Queues a call for a connection, and starts to dial.
    pub(crate) fn enqueue(
        &self,
        order: u64,
        body: &Body,
        time: Option<CallTime>,
    ) -> Result<(), Error> {
        let search = {
            let mut state = lock(&self.state);
            if state.phase == Phase::Closed {
                return Err(CallRejected::Closed.into());
            }
            state.calls.insert(order, body, time)?;
            state.search.is_none().then(|| self.begin(&mut state))
        };
        if let Some(search) = search {
            self.host.spawn(search);
            self.watching.wake();
        }
        Ok(())
    }

    fn begin(&self, state: &mut State) -> BoxFuture<()> {
        let search = Search { reconnecting: self.this.clone(), over: false };
        let run = search.run(self.host.clone(), self.redial.clone(), self.policy.limit);
        let (canceller, task) = cancellable(run);
        state.search = Some(canceller);
        state.phase = Phase::Dialling { attempt: 1 };
        task
    }

    /// Returns the outcome of a queued call, once it has one.
    pub(crate) fn poll(&self, order: u64, cx: &Context<'_>) -> Poll<Result<CallState, Error>> {
        lock(&self.state).calls.poll(order, cx)
    }

    /// Cancels a call, which may be queued.
    pub(crate) fn cancel(&self, order: u64) {
        let removed = lock(&self.state).calls.remove(order);
        if let Some(sent) = removed.sent {
            sent.cancel(&mut None);
        }
    }

    /// Records the outcome of a queued call.
    fn settle(&self, order: u64, outcome: Result<CallState, Error>) {
        let settled = lock(&self.state).calls.settle(order, outcome);
        match settled {
            Ok(waker) => wake_all(waker),
            Err(Ok(cancelled)) => cancelled.cancel(&mut None),
            Err(Err(_)) => {}
        }
    }

    fn attempt(&self, attempt: u32) {
        {
            let mut state = lock(&self.state);
            if state.search.is_none() {
                return;
            }
            state.phase = Phase::Dialling { attempt };
        }
        self.watching.wake();
    }

    /// Installs the new connection, and sends the waiting calls. Returns whether all are sent; otherwise the connection
    /// is gone already.
    fn came_back(&self, found: ConnectionRef) -> bool {
        let connection = found.clone_connection();
        connection.watch_silence();
        {
            let mut state = lock(&self.state);
            if state.search.is_none() {
                // The reconnecting connection was closed in the meantime, so the new connection closes, too.
                drop(state);
                drop(found);
                return true;
            }
            state.backoff.ended(self.host.now());
            // From here on the state is connected, as tasks with an answer expect.
            state.phase = Phase::Connected;
            let old = std::mem::replace(&mut state.connection, found);
            drop(state);
            drop(old);
        }
        self.watching.wake();
        loop {
            let (order, body, time) = {
                let mut state = lock(&self.state);
                let Some(first) = state.calls.first() else {
                    let search = state.search.take();
                    drop(state);
                    drop(search);
                    return true;
                };
                first
            };
            match self.send(&connection, &body, time) {
                Err(Error::Refused(CallRejected::Closed)) => return false,
                outcome => self.settle(order, outcome),
            }
        }
    }

    /// Ends a running search, and fails the waiting calls.
    fn fail(&self, phase: Phase, error: &Error) {
        let (search, wakers) = {
            let mut state = lock(&self.state);
            let search = state.search.take();
            if search.is_none() && phase == Phase::GaveUp {
                return;
            }
            state.phase = phase;
            state.backoff.ended(self.host.now());
            let mut wakers = Vec::new();
            self.watching.take(&mut wakers);
            state.calls.fail(error, &mut wakers);
            (search, wakers)
        };
        drop(search);
        wake_all(wakers);
    }

    /// Closes the reconnecting connection for good.
    pub(crate) fn close(&self, how: Close) {
        self.fail(Phase::Closed, &CallRejected::Closed.into());
        self.connection().close(how);
    }
}

impl Drop for ReconnectShared {
    fn drop(&mut self) {
        self.watching.wake();
    }
}

/// The registrations of a watching task: at the reconnecting connection, and at its present connection, whose end means
/// a loss.
#[derive(Default)]
pub(super) struct Watch {
    reconnecting: Option<Registration<Arc<WakerSet>>>,
    connection: Option<Registration<Arc<Connection>>>,
}

impl fmt::Debug for ReconnectShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("state", &self.state()).finish_non_exhaustive()
    }
}

/// The task that dials. It does not keep the reconnecting connection alive.
struct Search {
    reconnecting: Weak<ReconnectShared>,
    over: bool,
}

impl Search {
    async fn run(mut self, host: Arc<dyn Host>, redial: Arc<dyn Redial>, limit: RetryLimit) {
        let within = match limit {
            RetryLimit::Within(time) => time,
            RetryLimit::Once | RetryLimit::Forever => Duration::MAX,
        };
        let until = host.now().checked_add(within);
        let left = || until.map_or(Duration::MAX, |at| at.saturating_duration_since(host.now()));
        loop {
            let Some(at) = self.next(left()) else { return };
            if sleep_until(&*host, at).await.is_err() {
                return;
            }
            let limit = match limit {
                RetryLimit::Within(_) => RetryLimit::Within(left()),
                RetryLimit::Once | RetryLimit::Forever => limit,
            };
            let found = redial.search(limit, self.attempts()).await;
            let Some(reconnecting) = self.reconnecting.upgrade() else { return };
            // Another search may start as soon as this one has ended.
            match found {
                Ok(connection) => self.over = reconnecting.came_back(connection),
                Err(error) => {
                    self.over = true;
                    reconnecting.fail(Phase::GaveUp, &error);
                }
            }
            if self.over {
                return;
            }
        }
    }

    fn next(&self, left: Duration) -> Option<Instant> {
        let reconnecting = self.reconnecting.upgrade()?;
        reconnecting.attempt(1);
        let now = reconnecting.host.now();
        let at = lock(&reconnecting.state).backoff.next(now, left);
        Some(at)
    }

    fn attempts(&self) -> Attempts {
        let reconnecting = self.reconnecting.clone();
        Box::new(move |attempt| {
            if let Some(reconnecting) = reconnecting.upgrade() {
                reconnecting.attempt(attempt);
            }
        })
    }
}

/// Fails the waiting calls if the runtime ends before the search does. Without it, tasks would wait for ever.
impl Drop for Search {
    fn drop(&mut self) {
        if !self.over
            && let Some(reconnecting) = self.reconnecting.upgrade()
        {
            reconnecting.fail(Phase::GaveUp, &CallRejected::Closed.into());
        }
    }
}
