//! An application on the [`EventLoop`], with continuations for handlers that wait.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::os::fd::BorrowedFd;
use std::rc::Rc;
use std::time::{Duration, Instant};

use aiomas_core::agent::{
    self, Address, AgentUrl, ConnectError, ContainerError, NodeConfig, NodeEvent, Remote,
    RetryLimit, Serve, Target,
};
use aiomas_core::clock::timer::TimerQueue;
use aiomas_core::clock::{Clock, Date, RealClock};
use aiomas_core::connection::{CallError, CallOptions, CallRejected};
use aiomas_core::rpc::function::Function;
use aiomas_core::rpc::{Outcome, ServiceDict};
use aiomas_core::wire::{Payload, RemoteError, Value};
use serde::Serialize;

use crate::poll_loop::EventLoop;

/// The right to answer a request.
pub type Ticket = agent::Ticket<Later>;
/// The result of a call.
pub type Answer = Result<Payload, CallFailed>;

/// The code to run once a `T` is available.
pub type Continuation<T> = Box<dyn FnOnce(&mut Host, T)>;

/// The continuation of a service that cannot answer at once.
pub struct Later(Continuation<Ticket>);

impl Later {
    /// Continues with `f`, which receives the ticket for the answer.
    pub fn new(f: impl FnOnce(&mut Host, Ticket) + 'static) -> Self {
        Self(Box::new(f))
    }
}

/// Adds functions that answer later to a dictionary.
pub trait LaterFunctions: Sized {
    /// Adds a function that returns a continuation. Its parameters are decoded as by
    /// [`ServiceDict::function`].
    #[must_use]
    fn later<const N: usize, P, F>(
        self,
        name: &'static str,
        names: [&'static str; N],
        f: F,
    ) -> Self
    where
        F: Function<N, P, Output = Later> + Send + Sync + 'static;
}

impl LaterFunctions for ServiceDict<Later> {
    fn later<const N: usize, P, F>(self, name: &'static str, names: [&'static str; N], f: F) -> Self
    where
        F: Function<N, P, Output = Later> + Send + Sync + 'static,
    {
        self.function_with(name, names, f, |later, _| Outcome::Later(later))
    }
}

/// The continuation of a handler that waits.
pub enum Then {
    /// Waits for a call.
    Answer(Continuation<Answer>),
    /// Waits for an attempt to find an agent.
    Connect(Continuation<Result<Remote, ConnectError>>),
}

/// The reason for which a call has no result.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum CallFailed {
    /// The call was made, and failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The call was rejected locally.
    #[error(transparent)]
    Refused(#[from] CallRejected),
}

impl From<CallFailed> for RemoteError {
    fn from(error: CallFailed) -> Self {
        match error {
            CallFailed::Call(CallError::Remote(error)) => error,
            CallFailed::Refused(CallRejected::Codec(error)) => Self::serialization(error),
            error => Self::new("ConnectionError", error),
        }
    }
}

/// A request to answer at a given time. The answer takes it out.
pub type Sleeper = Rc<Cell<Option<Ticket>>>;

type Task = Box<dyn FnOnce(&mut Host)>;

/// A node on sockets, with timers, a clock and continuations.
pub struct Host {
    /// The node on its sockets.
    pub events: EventLoop<Then, Later>,
    /// The clock of the agents, with the sleepers of an external one.
    pub clock: Clock<Sleeper>,
    timers: TimerQueue<Instant, Task>,
    requests: VecDeque<(Ticket, Payload)>,
    agents: usize,
}

impl Host {
    /// Creates a host that listens at `address` and serves `serve`.
    ///
    /// # Errors
    /// The host cannot listen there.
    pub fn bind(address: &Address, config: NodeConfig, serve: Serve<Later>) -> io::Result<Self> {
        let since_epoch = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let date = Date::from_unix(since_epoch.as_secs_f64()).unwrap_or(Date::MAX);
        let clock = RealClock::new(Instant::now(), date).map_err(io::Error::other)?;
        Ok(Self {
            events: EventLoop::bind(address, config, serve)?,
            clock: Clock::Real(clock),
            timers: TimerQueue::new(),
            requests: VecDeque::new(),
            agents: 0,
        })
    }

    /// Returns the address of the host.
    #[must_use]
    pub const fn address(&self) -> &Address {
        self.events.node.base()
    }

    /// Spawns an agent, which `make` creates from its future URL.
    ///
    /// # Errors
    /// The host has its maximum number of agents.
    pub fn spawn(
        &mut self,
        make: impl FnOnce(&Self, &AgentUrl) -> ServiceDict<Later>,
    ) -> Result<AgentUrl, ContainerError> {
        let url = AgentUrl::new(self.address().clone(), self.agents.to_string());
        let agent = make(self, &url);
        self.agents += 1;
        self.events.node.spawn(agent)
    }

    /// Waits for events, at most until `until`, and handles them. Returns whether one of `extra` is
    /// readable.
    ///
    /// # Errors
    /// `poll(2)` fails.
    pub fn turn(&mut self, extra: &[BorrowedFd<'_>], until: Option<Instant>) -> io::Result<bool> {
        let due = until.into_iter().chain(self.timers.next()).min();
        let readable = self.events.turn(extra, due)?;
        let now = Instant::now();
        while let Some((_, task)) = self.timers.expire(now) {
            task(self);
        }
        while let Some(event) = self.events.node.poll_event() {
            self.handle(event);
        }
        Ok(readable)
    }

    fn handle(&mut self, event: NodeEvent<Then, Later>) {
        match event {
            NodeEvent::Answer { ctx: Then::Answer(then), result } => {
                then(self, result.map_err(CallFailed::from));
            }
            NodeEvent::Connected { ctx: Then::Connect(then), remote } => then(self, Ok(remote)),
            NodeEvent::ConnectFailed { ctx: Then::Connect(then), error } => then(self, Err(error)),
            NodeEvent::Later { ticket, later } => later.0(self, ticket),
            NodeEvent::Request { ticket, content } => self.requests.push_back((ticket, content)),
            _ => {}
        }
    }

    /// Takes the next request, with [`Serve::Content`].
    pub fn next_request(&mut self) -> Option<(Ticket, Payload)> {
        self.requests.pop_front()
    }

    /// Runs `task` at `at`.
    pub fn at(&mut self, at: Instant, task: impl FnOnce(&mut Self) + 'static) {
        self.timers.insert(at, Box::new(task));
    }

    /// Answers with `value` after `milliseconds`.
    pub fn reply_after(&mut self, milliseconds: f64, ticket: Ticket, value: Value) {
        let wait = Duration::try_from_secs_f64(milliseconds.max(0.0) / 1e3);
        match wait.ok().and_then(|wait| Instant::now().checked_add(wait)) {
            Some(at) => self.at(at, move |host| host.reply(ticket, &value)),
            None => self.fail(ticket, RemoteError::new("OverflowError", "too long to wait")),
        }
    }

    /// Answers with a value.
    pub fn reply<T: Serialize + ?Sized>(&mut self, ticket: Ticket, value: &T) {
        self.events.node.reply(Instant::now(), ticket, value);
    }

    /// Answers with a failure.
    pub fn fail(&mut self, ticket: Ticket, error: impl Into<RemoteError>) {
        self.events.node.fail(Instant::now(), ticket, error.into());
    }

    /// Answers with the result of a call of our own.
    pub fn relay(&mut self, ticket: Ticket, answer: Answer) {
        match answer.map(|payload| payload.decode::<Value>()) {
            Ok(Ok(value)) => self.reply(ticket, &value),
            Ok(Err(error)) => self.fail(ticket, RemoteError::value_error(error)),
            Err(error) => self.fail(ticket, error),
        }
    }

    /// Calls a method and continues with `then`.
    pub fn call<A: Serialize + ?Sized, K: Serialize + ?Sized>(
        &mut self,
        target: &Target,
        method: &str,
        args: &A,
        kwargs: &K,
        options: CallOptions,
        then: impl FnOnce(&mut Self, Answer) + 'static,
    ) {
        let then = Then::Answer(Box::new(then));
        let now = Instant::now();
        let called = self.events.node.call(now, target, method, args, kwargs, options, then);
        if let Err(refused) = called {
            self.refused(refused.why, refused.ctx);
        }
    }

    /// Sends a request and continues with `then`.
    pub fn send<T: Serialize + ?Sized>(
        &mut self,
        conn: agent::ConnId,
        content: &T,
        options: CallOptions,
        then: impl FnOnce(&mut Self, Answer) + 'static,
    ) {
        let then = Then::Answer(Box::new(then));
        let sent = self.events.node.send(Instant::now(), conn, content, options, then);
        if let Err(refused) = sent {
            self.refused(refused.why, refused.ctx);
        }
    }

    fn refused(&mut self, why: CallRejected, then: Then) {
        if let Then::Answer(then) = then {
            then(self, Err(why.into()));
        }
    }

    /// Finds an agent and continues with `then`.
    pub fn connect(
        &mut self,
        url: AgentUrl,
        patience: RetryLimit,
        then: impl FnOnce(&mut Self, Result<Remote, ConnectError>) + 'static,
    ) {
        let then = Then::Connect(Box::new(then));
        self.events.node.connect(Instant::now(), url, patience, then);
    }
}

impl fmt::Debug for Later {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Later")
    }
}

impl fmt::Debug for Then {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Answer(_) => "Answer",
            Self::Connect(_) => "Connect",
        })
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("events", &self.events).finish_non_exhaustive()
    }
}
