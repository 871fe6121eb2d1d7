//! The client on the poll loop.

mod agents;
mod channel;
mod manager;
mod rpc;

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use aiomas_core::agent::{
    Address, AgentUrl, ConnId, ConnectError, NodeConfig, Remote, RetryLimit, Route, Serve, Target,
};
use aiomas_core::connection::{CallError, CallOptions, CloseReason, Negotiate};
use aiomas_core::wire::{Payload, RemoteError, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{LIMIT, Server};
use crate::host::{Answer, CallFailed, Continuation, Host, Later, Ticket};
use crate::peer::Kind;

/// A test of a server.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// Whether it needs both user types.
    typed: bool,
    run: fn(&Server),
}

impl Scenario {
    const fn new(name: &'static str, run: fn(&Server)) -> Self {
        Self { name, typed: false, run }
    }

    const fn typed(name: &'static str, run: fn(&Server)) -> Self {
        Self { name, typed: true, run }
    }
}

/// Runs all tests of a kind against a server, and returns their number.
pub(super) fn challenge(server: &Server, kind: Kind) -> usize {
    let scenarios = match kind {
        Kind::Channel => channel::SCENARIOS,
        Kind::Rpc => rpc::SCENARIOS,
        Kind::Agent if server.external_clock => agents::WITH_EXTERNAL_CLOCK,
        Kind::Agent => agents::SCENARIOS,
        Kind::Manager => manager::SCENARIOS,
    };
    let fits = |scenario: &&Scenario| !scenario.typed || server.serializers.has_both();
    scenarios
        .iter()
        .filter(fits)
        .inspect(|scenario| {
            let start = Instant::now();
            (scenario.run)(server);
            server.report(scenario.name, start);
        })
        .count()
}

/// A local endpoint, and its pending calls.
#[derive(Debug)]
pub struct Client {
    /// The event loop.
    pub host: Host,
}

/// A value that is not available yet.
#[derive(Debug)]
pub struct Pending<T>(Rc<RefCell<Option<T>>>);

impl<T> Pending<T> {
    /// Returns whether the value is available.
    pub fn is_done(&self) -> bool {
        self.0.borrow().is_some()
    }
}

impl Client {
    /// Creates an endpoint that uses the server's codec and serves `serve`. It listens at an
    /// address of the same kind as the server's.
    ///
    /// # Panics
    /// The endpoint cannot listen.
    pub fn new(server: &Server, serve: Serve<Later>) -> Self {
        let address = server.own_address();
        let mut config = NodeConfig::default();
        config.connection.types = server.serializers.types();
        config.connection.negotiate = Negotiate::Fixed(server.codec);
        // As short as permitted: tests wait for attempts.
        config.container.backoff.first = Duration::from_millis(5);
        let host = Host::bind(&address, config, serve);
        Self { host: host.unwrap_or_else(|error| panic!("{address}: {error}")) }
    }

    /// Opens a connection to a channel or an RPC server.
    ///
    /// # Errors
    /// The address has no listener.
    pub fn open(&mut self, address: &Address) -> io::Result<ConnId> {
        self.host.events.open(address)
    }

    /// Runs the loop until `pending` is available.
    ///
    /// # Panics
    /// It does not become available in time.
    pub fn wait<T>(&mut self, pending: Pending<T>) -> T {
        self.turn_until(|_| pending.0.borrow_mut().take())
    }

    /// Runs the loop until `done` returns a value.
    fn turn_until<T>(&mut self, mut done: impl FnMut(&mut Host) -> Option<T>) -> T {
        let deadline = Instant::now() + LIMIT;
        loop {
            if let Some(value) = done(&mut self.host) {
                return value;
            }
            assert!(Instant::now() < deadline, "nothing has come for {LIMIT:?}");
            let turned = self.host.turn(&[], Some(deadline));
            turned.unwrap_or_else(|error| panic!("poll: {error}"));
        }
    }

    /// Starts a call.
    pub fn start_call(
        &mut self,
        target: &Target,
        method: &str,
        args: impl Serialize,
        kwargs: impl Serialize,
    ) -> Pending<Answer> {
        self.begin(|host, then| {
            host.call(target, method, &args, &kwargs, CallOptions::default(), then);
        })
    }

    /// Starts a request.
    pub fn start_send(&mut self, conn: ConnId, content: impl Serialize) -> Pending<Answer> {
        self.begin(|host, then| host.send(conn, &content, CallOptions::default(), then))
    }

    /// Calls a method.
    ///
    /// # Errors
    /// The call fails.
    pub fn call<T: DeserializeOwned>(
        &mut self,
        target: &Target,
        method: &str,
        args: impl Serialize,
    ) -> Result<T, CallFailed> {
        self.call_with(target, method, args, ())
    }

    /// Calls a method with keyword arguments.
    ///
    /// # Errors
    /// The call fails.
    pub fn call_with<T: DeserializeOwned>(
        &mut self,
        target: &Target,
        method: &str,
        args: impl Serialize,
        kwargs: impl Serialize,
    ) -> Result<T, CallFailed> {
        let pending = self.start_call(target, method, args, kwargs);
        self.wait(pending).map(|payload| decode(&payload))
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    /// The request fails.
    pub fn send(&mut self, conn: ConnId, content: impl Serialize) -> Result<Value, CallFailed> {
        let pending = self.start_send(conn, content);
        self.wait(pending).map(|payload| decode(&payload))
    }

    /// Finds an agent.
    ///
    /// # Errors
    /// The agent does not exist.
    pub fn connect(&mut self, url: AgentUrl, patience: RetryLimit) -> Result<Remote, ConnectError> {
        let pending = self.start_connect(url, patience);
        self.wait(pending)
    }

    /// Starts the search for an agent.
    pub fn start_connect(
        &mut self,
        url: AgentUrl,
        patience: RetryLimit,
    ) -> Pending<Result<Remote, ConnectError>> {
        self.begin(|host, then| host.connect(url, patience, then))
    }

    /// Waits for a request of the server, with [`Serve::Content`].
    pub fn next_request(&mut self) -> (Ticket, Value) {
        let (ticket, content) = self.turn_until(Host::next_request);
        (ticket, decode(&content))
    }

    fn begin<T: 'static>(&mut self, start: impl FnOnce(&mut Host, Continuation<T>)) -> Pending<T> {
        let slot = Rc::new(RefCell::new(None));
        let result = slot.clone();
        start(&mut self.host, Box::new(move |_, value| *result.borrow_mut() = Some(value)));
        Pending(slot)
    }
}

/// Returns the root service at the other end of a connection.
fn root(conn: ConnId) -> Target {
    Target::new(Route::Connection(conn), "")
}

#[track_caller]
fn decode<T: DeserializeOwned>(payload: &Payload) -> T {
    payload.decode().unwrap_or_else(|error| panic!("{error} in {payload:?}"))
}

/// Returns the remote error of a failed call.
#[track_caller]
fn failure<T: std::fmt::Debug>(result: Result<T, CallFailed>) -> RemoteError {
    match result {
        Err(CallFailed::Call(CallError::Remote(error))) => error,
        other => panic!("{other:?} in place of a failure"),
    }
}

/// Returns the reason for which a call's connection was lost.
#[track_caller]
fn loss<T: std::fmt::Debug>(result: Result<T, CallFailed>) -> CloseReason {
    match result {
        Err(CallFailed::Call(CallError::Lost(reason))) => reason,
        other => panic!("{other:?} in place of a lost connection"),
    }
}
