//! Finding agents.

use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::Container;
use crate::agent::{AgentUrl, ConnectError, ConnectId, Patience, Remote, Route};
use crate::driver::lock::lock;
use crate::driver::{Error, Proxy};

/// A search for an agent, which ends in something to call it by.
///
/// A stream is opened if there is none yet to the agent's container, and that is asked for the agent.
/// How long that is tried is for [`patience`](Self::patience) to say.
///
/// # Cancel safety
///
/// It begins when it is polled first. Dropping it gives it up; a stream that was opened stays for others.
#[must_use = "nothing happens until it is awaited"]
pub struct Connect<P> {
    container: Container,
    patience: Patience,
    state: State,
    proxy: PhantomData<fn() -> P>,
}

enum State {
    New(Result<AgentUrl, Error>),
    Connecting(ConnectId, Arc<Connecting>),
    Ended,
}

/// Who waits for a search to end.
#[derive(Default)]
pub(super) struct Connecting(Mutex<Wait>);

#[derive(Default)]
struct Wait {
    result: Option<Result<Remote, ConnectError>>,
    waker: Option<Waker>,
}

impl Connecting {
    pub(super) fn end(&self, result: Result<Remote, ConnectError>) {
        let waker = {
            let mut wait = lock(&self.0);
            wait.result = Some(result);
            wait.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<Result<Remote, ConnectError>> {
        let mut wait = lock(&self.0);
        match wait.result.take() {
            Some(result) => Poll::Ready(result),
            None => {
                wait.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl<P> Connect<P> {
    pub(super) const fn new(container: Container, url: Result<AgentUrl, Error>) -> Self {
        let state = State::New(url);
        Self { container, patience: Patience::Once, state, proxy: PhantomData }
    }

    /// For how long it is tried: [`Patience::Once`] unless told otherwise.
    pub fn patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// Tries until this time has passed: [`Patience::Until`].
    pub fn within(self, time: Duration) -> Self {
        self.patience(Patience::Until(time))
    }
}

impl<P: From<Proxy>> Future for Connect<P> {
    type Output = Result<P, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<P, Error>> {
        let this = &mut *self;
        let inner = &this.container.0;
        if let State::New(url) = &mut this.state {
            let url = match std::mem::replace(url, Err(Error::NoContainer)) {
                Ok(url) => url,
                Err(error) => {
                    this.state = State::Ended;
                    return Poll::Ready(Err(error));
                }
            };
            let connecting = Arc::<Connecting>::default();
            let id = inner.connect(url, this.patience, connecting.clone());
            this.state = State::Connecting(id, connecting);
        }
        let State::Connecting(_, connecting) = &this.state else { return Poll::Pending };
        let result = std::task::ready!(connecting.poll(cx));
        this.state = State::Ended;
        let remote = result?;
        let proxy = match remote.route {
            Route::Local => Proxy::of_local(Arc::downgrade(inner), remote.url),
            Route::Connection(conn) => match lock(&inner.control).link(conn) {
                Some(link) => Proxy::of_agent(link, remote.url),
                // It was lost at this very moment.
                None => {
                    let address = remote.url.address().clone();
                    let reason = "closed by the peer".into();
                    return Poll::Ready(Err(ConnectError::Lost { address, reason }.into()));
                }
            },
        };
        Poll::Ready(Ok(proxy.into()))
    }
}

impl<P> Drop for Connect<P> {
    fn drop(&mut self) {
        if let State::Connecting(id, _) = self.state {
            self.container.0.abandon_connect(id);
        }
    }
}

impl<P> fmt::Debug for Connect<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect").field("patience", &self.patience).finish_non_exhaustive()
    }
}
