//! Connecting to agents.

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

/// A search for an agent, which resolves to a proxy.
///
/// It uses the connection to the agent's container, or opens one, and asks the container for the agent.
/// [`retry`](Self::retry) sets the time limit.
///
/// # Cancel safety
///
/// The search starts when it is first polled, and does not keep its container alive. Dropping it cancels the search; an
/// opened connection stays for other searches.
#[must_use = "nothing happens until it is awaited"]
pub struct Connect<P> {
    search: Search,
    /// The time limit of searches after a loss, if the proxy reconnects.
    reconnects: Option<RetryLimit>,
    proxy: PhantomData<fn() -> P>,
}

/// The state of a [`Connect`], independent of the type of the proxy.
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

    /// Sets how long the search retries: [`RetryLimit::Once`] by default.
    pub fn retry(mut self, limit: RetryLimit) -> Self {
        self.search.limit = limit;
        self
    }

    /// Retries until `time` has passed: [`RetryLimit::Within`].
    pub fn within(self, time: Duration) -> Self {
        self.retry(RetryLimit::Within(time))
    }

    /// Makes the proxy outlive its connection: see [`reconnecting`](mod@crate::reconnect). When a call finds the
    /// connection lost, the container searches for the agent again, until `limit` (a `Duration`, or for ever), with the
    /// waits of [`ContainerConfig::backoff`](aiomas_core::agent::ContainerConfig::backoff), whose default jitter is 0.
    /// [`retry`](Self::retry) still governs the first search. A proxy of an agent of the same container is unaffected.
    ///
    /// Each search returns the name of the agent's type. If it differs from the first one, calls fail with
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

    /// Returns the number of the current dial attempt.
    pub(super) fn attempts(&self) -> u32 {
        match &self.state {
            State::Connecting(_, connecting, _) => connecting.attempts(),
            State::New(_) | State::Ended => 0,
        }
    }

    /// Waits until the agent is found, over a connection or in this container.
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
                // The connection's task is about to report the end. This search already knows, and needs a new
                // connection.
                Some(connection) => inner.connection_closing(&connection),
                None => {}
            }
            self.state = State::New(Ok(url));
        }
    }

    /// Waits until the agent is found, and returns its proxy.
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

/// A found agent.
pub(super) struct Found {
    /// The connection to its container; `None` for this container.
    pub(super) connection: Option<Arc<Connection>>,
    pub(super) url: AgentUrl,
    /// The name of the agent's type.
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
