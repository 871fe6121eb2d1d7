//! A server that waits for mosaik to connect.

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

/// The most open connections that have not called `init`.
///
/// mosaik calls `init` at once, so a new connection displaces the oldest of them.
const MAX_CANDIDATES: usize = 16;
/// The number of rejected connections that are logged one by one. Later ones are logged at powers of two.
const LOGGED_SINGLY: usize = 10;

/// Waits for mosaik to connect, and serves it until the end.
///
/// # Errors
/// As for [`Server::bind`] and [`Server::run`].
///
/// # Cancel safety
/// As for [`Server::run`].
pub async fn listen<R: Runtime>(
    builder: channel::Builder<R>,
    address: impl TryInto<Address, Error: Into<aiomas::Error>>,
    simulator: impl Simulator,
) -> Result<End, Error> {
    Server::bind(builder, address).await?.run(simulator).await
}

/// A listener at the address to which mosaik connects.
///
/// ```no_run
/// use std::time::Duration;
///
/// use aiomas_mosaik::{Error, Server, Simulator};
/// use aiomas_tokio::channel;
///
/// # async fn example(simulator: impl Simulator) -> Result<(), Error> {
/// let server = Server::bind(channel::builder(), "tcp://127.0.0.1:0").await?;
/// println!("waiting for mosaik at {}", server.address());
/// server.accept_within(Duration::from_secs(60)).run(simulator).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "mosaik is not served until `run`"]
pub struct Server<R> {
    runtime: R,
    listener: channel::Listener,
    accept_within: Option<Duration>,
}

impl<R: Runtime> Server<R> {
    /// Binds the address.
    ///
    /// # Errors
    /// Returns [`Error::Connection`] if the address is invalid or in use.
    ///
    /// # Cancel safety
    /// Dropping the future releases the address.
    pub async fn bind(
        builder: channel::Builder<R>,
        address: impl TryInto<Address, Error: Into<aiomas::Error>>,
    ) -> Result<Self, Error> {
        let runtime = builder.runtime().clone();
        let listener = as_mosaik(builder).listen(address).await?;
        Ok(Self { runtime, listener, accept_within: None })
    }

    /// Returns the bound address, with the actual port.
    #[must_use]
    pub const fn address(&self) -> &Address {
        self.listener.address()
    }

    /// Sets the time mosaik has to connect. By default, the server waits indefinitely.
    pub const fn accept_within(mut self, time: Duration) -> Self {
        self.accept_within = Some(time);
        self
    }

    /// Waits for mosaik, and serves it until the end.
    ///
    /// The first peer to call `init` is mosaik; the port is then closed. Port checks, probes of other protocols and
    /// silent peers are logged as warnings, and the simulator continues to listen.
    ///
    /// # Errors
    /// Returns [`Error::NotConnected`] if mosaik has not connected in time; then as for [`serve`](crate::serve).
    ///
    /// # Cancel safety
    /// Dropping the future closes the port and all connections; [`finalize`](Simulator::finalize) is not called.
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
                    return Err(Error::NotConnected { within: time, setting, others });
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
    /// The number of connections that were not mosaik.
    rejected: usize,
}

/// A connection whose first request is awaited.
struct Candidate {
    address: String,
    first: Pin<Box<dyn Future<Output = First> + Send>>,
}

/// mosaik with its `init`, or the reason why the peer is not mosaik.
type First = Result<(Channel, Request), String>;

impl Candidates {
    async fn find(&mut self, listener: &mut channel::Listener) -> (Channel, Request) {
        loop {
            // Open connections first: a flood of new ones must not delay mosaik's.
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
            self.reject(&oldest.address, &"it stayed silent while other peers connected");
        }
        let address = address_of(&channel);
        self.waiting.push_back(Candidate { address, first: Box::pin(first(channel)) });
    }

    /// Returns the next connection that has sent `init`, or is not mosaik.
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

    /// Returns the number of connections so far.
    fn count(&self) -> usize {
        self.rejected + self.waiting.len()
    }
}

enum Event {
    First((String, First)),
    Accepted(Result<Channel, aiomas::Error>),
}

/// Waits for `init` on a connection. Other requests fail.
async fn first(channel: Channel) -> First {
    while let Some(request) = channel.recv().await {
        match &*function_of(request.payload()) {
            "init" => return Ok((channel, request)),
            "stop" => request.discard(),
            // If the peer is gone, `recv` reports it.
            function => drop(request.fail(not_initialized(function))),
        }
    }
    Err(format!("{}, without a call of init()", channel.closed().await))
}
