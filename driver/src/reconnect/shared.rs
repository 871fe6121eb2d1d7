//! What the proxies and the calls of a line share with the task that dials.

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

/// A line. Its lock is held for moments only, and no other one is taken under it but a connection's, to ask whether
/// that is open.
pub(crate) struct ReconnectShared {
    this: Weak<Self>,
    pub(crate) host: Arc<dyn Host>,
    redial: Arc<dyn Redial>,
    policy: RetryPolicy,
    state: Mutex<State>,
    /// The tasks that wait for it to do something else. They do not keep it alive.
    watching: Arc<WakerSet>,
}

struct State {
    /// The present connection, or the last one.
    connection: ConnectionRef,
    phase: Phase,
    calls: CallQueue,
    /// Ends the task that dials, and then sends what has waited.
    search: Option<Canceller>,
    backoff: RedialBackoff,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A connection was opened. Whether it still takes calls, it is asked.
    Connected,
    Dialling {
        attempt: u32,
    },
    GaveUp,
    Closed,
}

impl ReconnectShared {
    /// A line whose first connection is there.
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

    /// The present connection, or the last one.
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

    /// What it is doing; the task is woken when that changes.
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

    /// The connection, if calls can be made over it at once.
    pub(crate) fn free_connection(&self) -> Option<Arc<Connection>> {
        let state = lock(&self.state);
        // While there is a search, it still sends what has waited.
        let free = state.phase == Phase::Connected && state.search.is_none();
        free.then(|| state.connection.clone_connection())
    }

    /// Until when a call may be made again that is made now and is lost.
    pub(crate) fn repeats_until(&self, timeout: Option<Duration>) -> Option<Instant> {
        let time = timeout.or(match self.policy.limit {
            RetryLimit::Once => Some(self.policy.dial_timeout),
            RetryLimit::Within(time) => Some(time),
            RetryLimit::Forever => None,
        })?;
        self.host.now().checked_add(time)
    }

    /// The place of a new call among the others.
    pub(crate) fn next_order(&self) -> u64 {
        lock(&self.state).calls.next_order()
    }

    /// Encodes content that is sent now or later.
    pub(crate) fn encode(&self, encode: &Encode<'_>) -> Result<Body, Error> {
        let connection = self.connection();
        let format = connection.format();
        let encoded =
            Scratch::encode(format, |out| encode(format, connection.codec_context(), out));
        Ok(encoded.map_err(CallRejected::Codec)?.into_body())
    }

    /// Sends a call over `connection`, or lets it wait for room there.
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

    /// Lets a call wait for a connection, and begins to dial.
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

    /// What has become of a call that waits, if it waits no more.
    pub(crate) fn poll(&self, order: u64, cx: &Context<'_>) -> Poll<Result<CallState, Error>> {
        lock(&self.state).calls.poll(order, cx)
    }

    /// Cancels a call that may wait.
    pub(crate) fn cancel(&self, order: u64) {
        let removed = lock(&self.state).calls.remove(order);
        if let Some(sent) = removed.sent {
            sent.cancel(&mut None);
        }
    }

    /// Notes what has become of a call that has waited.
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

    /// There is a connection again: sends what waits. Says whether it is all sent; otherwise the connection is
    /// gone already.
    fn came_back(&self, found: ConnectionRef) -> bool {
        let connection = found.clone_connection();
        connection.watch_silence();
        {
            let mut state = lock(&self.state);
            if state.search.is_none() {
                // It was closed in the meantime, and so is the connection.
                drop(state);
                drop(found);
                return true;
            }
            state.backoff.ended(self.host.now());
            // From here on it has a connection, as whoever is answered expects.
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

    /// Ends the search, if there is one. Those who wait fail.
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

    /// Closes it for good.
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

/// The registrations of a task that watches a line: at the line, and at its present connection, by whose end the line
/// is lost.
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

/// The task that dials. It does not keep the line alive.
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
            // Another search may begin as soon as this one has ended.
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

/// The runtime may end before the search does. Nobody must wait for it then.
impl Drop for Search {
    fn drop(&mut self) {
        if !self.over
            && let Some(reconnecting) = self.reconnecting.upgrade()
        {
            reconnecting.fail(Phase::GaveUp, &CallRejected::Closed.into());
        }
    }
}
