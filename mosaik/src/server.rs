//! Waiting for mosaik to connect.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use aiomas::Runtime;
use aiomas::channel::{self, Channel, Request};
use aiomas_core::agent::Address;
use futures_lite::future::or;

use crate::profile::{as_mosaik, within};
use crate::serve::{End, address_of, serve_from};
use crate::session::{function_of, not_initialized};
use crate::{Error, Result, Simulator};

/// How many connections may be open that have not called `init`. mosaik calls it at once, so the oldest of them
/// gives way to a new one.
const MAX_CANDIDATES: usize = 16;
/// So many connections that are not mosaik's are logged one by one. Of later ones, a log line stands for as many as
/// came before it.
const LOGGED_SINGLY: usize = 10;

/// Waits for mosaik to connect, and serves it until the end.
///
/// # Errors
/// As [`Server::bind`] and [`Server::run`].
pub async fn listen<R: Runtime>(
    builder: channel::Builder<R>,
    address: impl TryInto<Address, Error: Into<aiomas::Error>>,
    simulator: impl Simulator,
) -> Result<End, Error> {
    Server::bind(builder, address).await?.run(simulator).await
}

/// A simulator's end of the address that mosaik connects to.
#[derive(Debug)]
#[must_use = "mosaik is not served until `run`"]
pub struct Server<R> {
    runtime: R,
    listener: channel::Listener,
    accept_within: Option<Duration>,
}

impl<R: Runtime> Server<R> {
    /// Listens for mosaik.
    ///
    /// # Errors
    /// [`Error::Connection`]: it is no address, or not a free one.
    pub async fn bind(
        builder: channel::Builder<R>,
        address: impl TryInto<Address, Error: Into<aiomas::Error>>,
    ) -> Result<Self, Error> {
        let runtime = builder.runtime().clone();
        let listener = as_mosaik(builder).listen(address).await?;
        Ok(Self { runtime, listener, accept_within: None })
    }

    /// Where it listens, with the real port.
    #[must_use]
    pub const fn address(&self) -> &Address {
        self.listener.address()
    }

    /// How long mosaik may take to connect: for ever unless told otherwise.
    pub const fn accept_within(mut self, time: Duration) -> Self {
        self.accept_within = Some(time);
        self
    }

    /// Waits for mosaik, and serves it until the end. From then on, the port is closed.
    ///
    /// The first peer to call `init` is mosaik. A port check, a probe of another protocol or a peer that stays
    /// silent is not: it is logged as a warning, and the simulator goes on listening.
    ///
    /// # Errors
    /// [`Error::NobodyConnected`]; then as [`serve`](crate::serve).
    pub async fn run(self, simulator: impl Simulator) -> Result<End, Error> {
        let Self { runtime, mut listener, accept_within } = self;
        let mut candidates = Candidates::default();
        let mosaik = candidates.find(&mut listener);
        let (channel, init) = match accept_within {
            None => mosaik.await,
            Some(time) => match within(&runtime, time, mosaik).await {
                Some(mosaik) => mosaik,
                None => {
                    let (setting, others) = ("Server::accept_within", candidates.count());
                    return Err(Error::NobodyConnected { within: time, setting, others });
                }
            },
        };
        drop((listener, candidates));
        serve_from(channel, Some(init), simulator).await
    }
}

/// Connections that have not called `init`.
#[derive(Default)]
struct Candidates {
    waiting: VecDeque<Candidate>,
    /// How many have turned out not to be mosaik's.
    rejected: usize,
}

/// A connection, and what it turns out to be.
struct Candidate {
    address: String,
    first: Pin<Box<dyn Future<Output = First> + Send>>,
}

/// mosaik, with its `init`; or why it is not mosaik.
type First = Result<(Channel, Request), String>;

impl Candidates {
    async fn find(&mut self, listener: &mut channel::Listener) -> (Channel, Request) {
        loop {
            // Connections that are there come first: a flood of new ones must not keep mosaik's from being read.
            let known = async { Event::First(self.next().await) };
            let new = async { Event::Accepted(listener.accept().await) };
            match or(known, new).await {
                Event::First((_, Ok(mosaik))) => return mosaik,
                Event::First((address, Err(why))) => self.reject(&address, &why),
                Event::Accepted(Ok(channel)) => self.add(channel),
                Event::Accepted(Err(error)) => self.reject("a peer", &error),
            }
        }
    }

    fn add(&mut self, channel: Channel) {
        if self.waiting.len() == MAX_CANDIDATES
            && let Some(oldest) = self.waiting.pop_front()
        {
            self.reject(&oldest.address, &"it was silent while others came");
        }
        let address = address_of(&channel);
        self.waiting.push_back(Candidate { address, first: Box::pin(first(channel)) });
    }

    /// The next one that shows what it is.
    async fn next(&mut self) -> (String, First) {
        poll_fn(|cx| {
            for (index, candidate) in self.waiting.iter_mut().enumerate() {
                if let Poll::Ready(first) = candidate.first.as_mut().poll(cx) {
                    let address = std::mem::take(&mut candidate.address);
                    self.waiting.remove(index);
                    return Poll::Ready((address, first));
                }
            }
            Poll::Pending
        })
        .await
    }

    fn reject(&mut self, address: &str, why: &dyn std::fmt::Display) {
        self.rejected += 1;
        let count = self.rejected;
        if count <= LOGGED_SINGLY || count.is_power_of_two() {
            log::warn!(
                "{address} is not mosaik: {why} (other peers so far: {count}); waiting for mosaik"
            );
        }
    }

    /// How many connections there were.
    fn count(&self) -> usize {
        self.rejected + self.waiting.len()
    }
}

enum Event {
    First((String, First)),
    Accepted(Result<Channel, aiomas::Error>),
}

/// Waits for a connection's `init`. Other requests fail.
async fn first(channel: Channel) -> First {
    while let Some(request) = channel.recv().await {
        match &*function_of(request.payload()) {
            "init" => return Ok((channel, request)),
            "stop" => request.discard(),
            // If the peer is gone, `recv` tells.
            function => drop(request.fail(not_initialized(function))),
        }
    }
    Err(format!("{}, without a call of init()", channel.closed().await))
}
