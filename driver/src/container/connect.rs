//! Finding agents.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use super::shared::ContainerShared;
use super::state::Connecting;
use crate::any_connection::AnyConnection;
use crate::connection::Connection;
use crate::lock::lock;
use crate::waits;
use crate::{Error, Proxy};
use aiomas_core::agent::{AgentUrl, ConnectId, Remote, RetryLimit, Route};

/// A search for an agent, which ends in something to call it by.
///
/// A stream is opened if there is none yet to the agent's container, and that is asked for the agent.
/// [`retry`](Self::retry) governs for how long.
///
/// # Cancel safety
///
/// It begins when it is polled first, and does not keep its container alive. Dropping it gives it up; a stream that
/// was opened stays for others.
#[must_use = "nothing happens until it is awaited"]
pub struct Connect<P> {
    search: Search,
    /// For how long it is tried again when the connection is lost, if it is.
    reconnects: Option<RetryLimit>,
    proxy: PhantomData<fn() -> P>,
}

/// What a [`Connect`] does, and nothing of it depends on the type of the proxy.
pub(super) struct Search {
    container: Arc<ContainerShared>,
    limit: RetryLimit,
    state: State,
}

enum State {
    New(Result<AgentUrl, Error>),
    Connecting(ConnectId, Arc<Connecting>, AgentUrl),
    Ended,
}

impl<P> Connect<P> {
    pub(super) const fn new(container: Arc<ContainerShared>, url: Result<AgentUrl, Error>) -> Self {
        let search = Search::new(container, url, RetryLimit::Once);
        Self { search, reconnects: None, proxy: PhantomData }
    }

    /// For how long it is tried: [`RetryLimit::Once`] unless told otherwise.
    pub fn retry(mut self, limit: RetryLimit) -> Self {
        self.search.limit = limit;
        self
    }

    /// Tries until this time has passed: [`RetryLimit::Within`].
    pub fn within(self, time: Duration) -> Self {
        self.retry(RetryLimit::Within(time))
    }

    /// Lets the proxy outlive its connection: see [`reconnecting`](mod@crate::reconnect). When a call finds that lost, the
    /// agent is looked for again, until `limit` (a `Duration`, or for ever) and with the waits of
    /// [`ContainerConfig::backoff`](aiomas_core::agent::ContainerConfig::backoff), whose jitter is 0 unless told
    /// otherwise. [`retry`](Self::retry) still governs the first search. An agent of
    /// the same container is called as ever.
    ///
    /// Each time, the agent's container tells the name of its type. If that is another than at first, calls fail with
    /// [`ConnectError::WrongType`](aiomas_core::agent::ConnectError::WrongType), and nothing is sent.
    pub fn reconnect(mut self, limit: impl Into<RetryLimit>) -> Self {
        self.reconnects = Some(limit.into());
        self
    }
}

impl Search {
    pub(super) const fn new(
        container: Arc<ContainerShared>,
        url: Result<AgentUrl, Error>,
        limit: RetryLimit,
    ) -> Self {
        Self { container, limit, state: State::New(url) }
    }

    /// Which attempt to open a connection is under way.
    pub(super) fn attempts(&self) -> u32 {
        match &self.state {
            State::Connecting(_, connecting, _) => connecting.attempts(),
            State::New(_) | State::Ended => 0,
        }
    }

    /// Waits until the agent is found: over a connection, or here.
    pub(super) fn poll_found(&mut self, cx: &Context<'_>) -> Poll<Result<Found, Error>> {
        let inner = &self.container;
        loop {
            if let State::New(url) = &mut self.state {
                let url = match std::mem::replace(url, Err(Error::NoContainer)) {
                    Ok(url) => url,
                    Err(error) => {
                        self.state = State::Ended;
                        return Poll::Ready(Err(error));
                    }
                };
                let connecting = Arc::<Connecting>::default();
                let id = inner.connect(url.clone(), self.limit, connecting.clone());
                self.state = State::Connecting(id, connecting, url);
            }
            let State::Connecting(_, connecting, url) = &self.state else { return Poll::Pending };
            let Poll::Ready(result) = connecting.poll(cx) else {
                waits::note(|| format!("to find {url}"));
                return Poll::Pending;
            };
            self.state = State::Ended;
            let remote = result?;
            let Remote { route, url, type_name, .. } = remote;
            let Route::Connection(conn) = route else {
                return Poll::Ready(Ok(Found { connection: None, url, type_name }));
            };
            let connection = lock(&inner.state).connection(conn);
            match connection {
                Some(connection) if connection.is_open() => {
                    return Poll::Ready(Ok(Found { connection: Some(connection), url, type_name }));
                }
                // Its task is about to say so. Those who have heard of it already look for a new one.
                Some(connection) => inner.connection_closing(&connection),
                None => {}
            }
            self.state = State::New(Ok(url));
        }
    }

    /// Waits until the agent is found, and returns a proxy of it.
    fn poll_proxy(
        &mut self,
        cx: &Context<'_>,
        reconnects: Option<RetryLimit>,
    ) -> Poll<Result<Proxy, Error>> {
        let Found { connection, url, type_name } = ready!(self.poll_found(cx))?;
        let inner = &self.container;
        Poll::Ready(Ok(match (connection, reconnects) {
            (None, _) => Proxy::of_local(inner.this.clone(), url),
            (Some(connection), None) => Proxy::of_agent(AnyConnection::of(connection), url),
            (Some(connection), Some(limit)) => {
                let reconnecting = inner.reconnecting(connection, &url, type_name, limit);
                Proxy::of_agent(AnyConnection::Reconnecting(reconnecting), url)
            }
        }))
    }
}

/// An agent that was found.
pub(super) struct Found {
    /// The connection to its container, unless it lives here.
    pub(super) connection: Option<Arc<Connection>>,
    pub(super) url: AgentUrl,
    /// The name of its type.
    pub(super) type_name: Arc<str>,
}

impl<P: From<Proxy>> Future for Connect<P> {
    type Output = Result<P, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<P, Error>> {
        let reconnects = self.reconnects;
        self.search.poll_proxy(cx, reconnects).map_ok(P::from)
    }
}

impl Drop for Search {
    fn drop(&mut self) {
        if let State::Connecting(id, ..) = self.state {
            self.container.cancel_connect(id);
        }
    }
}

impl<P> fmt::Debug for Connect<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect").field("limit", &self.search.limit).finish_non_exhaustive()
    }
}
