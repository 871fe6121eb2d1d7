//! Streams that come in, and become secure ones side by side.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker, ready};

use rustls::ServerConnection;

use super::config::TlsConfig;
use super::handshake::{part, shake_hands};
use super::stream::Tls;
use crate::agent::Address;
use crate::connection::TlsError;
use crate::driver::cancel::{Canceller, cancellable};
use crate::driver::lock::lock;
use crate::driver::runtime::Runtime;
use crate::driver::transport::{Listener, Transport};

/// Accepts streams within TLS. Each has a task of its own until its handshake is over, so that nobody waits for
/// a peer that is slow.
pub struct TlsListener<R: Runtime> {
    listener: R::Listener,
    runtime: R,
    config: Arc<TlsConfig>,
    state: Arc<Mutex<State<R::Stream>>>,
}

struct State<T> {
    ended: VecDeque<io::Result<Tls<T>>>,
    under_way: BTreeMap<u64, Canceller>,
    last: u64,
    /// Who waits for the next stream.
    waker: Option<Waker>,
}

impl<R: Runtime> TlsListener<R> {
    pub(super) fn new(runtime: R, config: Arc<TlsConfig>, listener: R::Listener) -> Self {
        let state =
            State { ended: VecDeque::new(), under_way: BTreeMap::new(), last: 0, waker: None };
        Self { listener, runtime, config, state: Arc::new(Mutex::new(state)) }
    }

    /// Lets a stream become a secure one.
    fn secure(&self, stream: R::Stream) {
        let (runtime, config) = (self.runtime.clone(), self.config.clone());
        let state = self.state.clone();
        let number = {
            let mut state = lock(&state);
            state.last += 1;
            state.last
        };
        let (canceller, task) = cancellable(async move {
            let refused = Self::receive(&runtime, &config, &state, stream).await;
            if let Some(tls) = refused {
                part(&runtime, tls).await;
            }
            State::change(&state, |state| state.under_way.remove(&number));
        });
        lock(&self.state).under_way.insert(number, canceller);
        self.runtime.spawn(task);
    }

    /// Hands a stream over when it is secure, and the reason why not.
    async fn receive(
        runtime: &R,
        config: &TlsConfig,
        state: &Mutex<State<R::Stream>>,
        stream: R::Stream,
    ) -> Option<Tls<R::Stream>> {
        let end = |result| State::change(state, |state| state.ended.push_back(result));
        let session = match ServerConnection::new(config.server.clone()) {
            Ok(session) => session,
            Err(error) => {
                end(Err(TlsError::Local { what: error.to_string().into() }.into()));
                return None;
            }
        };
        let mut tls = Tls::new(stream, session);
        match shake_hands(runtime, &mut tls, config.handshake_timeout).await {
            Ok(()) => {
                end(Ok(tls));
                None
            }
            Err(error) => {
                if let Some(error) = TlsError::of(&error) {
                    config.refused(tls.peer().as_deref(), error);
                }
                end(Err(error));
                Some(tls)
            }
        }
    }
}

impl<T> State<T> {
    /// Changes the state, and wakes whoever waits for a stream.
    fn change<V>(state: &Mutex<Self>, change: impl FnOnce(&mut Self) -> V) {
        // What comes out is dropped without the lock.
        let (_out, waker) = {
            let mut state = lock(state);
            (change(&mut state), state.waker.take())
        };
        waker.into_iter().for_each(Waker::wake);
    }
}

impl<R: Runtime> Listener for TlsListener<R> {
    type Stream = Tls<R::Stream>;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Self::Stream>> {
        loop {
            {
                let mut state = lock(&self.state);
                if let Some(result) = state.ended.pop_front() {
                    return Poll::Ready(result);
                }
                state.waker = Some(cx.waker().clone());
                // Others wait where the system lets them wait.
                if state.under_way.len() >= self.config.max_handshakes {
                    return Poll::Pending;
                }
            }
            let stream = ready!(self.listener.poll_accept(cx))?;
            self.secure(stream);
        }
    }

    fn address(&self) -> io::Result<Address> {
        self.listener.address()
    }
}

impl<R: Runtime> Drop for TlsListener<R> {
    fn drop(&mut self) {
        let under_way = std::mem::take(&mut lock(&self.state).under_way);
        drop(under_way);
        let ended = std::mem::take(&mut lock(&self.state).ended);
        drop(ended);
    }
}

impl<R: Runtime> std::fmt::Debug for TlsListener<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TlsListener")
            .field("under_way", &lock(&self.state).under_way.len())
            .finish_non_exhaustive()
    }
}
