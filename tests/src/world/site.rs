//! A container in a world, and its host.

use std::collections::BTreeMap;
use std::fmt;
use std::mem;
use std::time::{Duration, Instant};

use aiomas_core::agent::{
    Address, ConnId, DialId, Node, NodeConfig, NodeEvent, RetryLimit, Route, Serve, Target, Ticket,
};
use aiomas_core::connection::{CallOptions, CloseReason, RequestId};
use aiomas_core::rpc::RemoteRef;
use aiomas_core::wire::RemoteError;

use super::{Later, TestAgent, relay_error};

/// The result of attempts to connect to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dials {
    /// They succeed.
    Accepted,
    /// They fail.
    Refused,
    /// They receive no reply.
    Silent,
}

/// The originator of a call or a connect.
#[derive(Debug)]
pub enum Context {
    /// The test, by its own number.
    Test(u64),
    /// A call to one of the agents.
    Relay {
        /// The ticket for the answer.
        ticket: Ticket<Later>,
        /// The value to return.
        value: u64,
    },
}

#[derive(Debug)]
pub(super) struct Dial {
    pub(super) id: DialId,
    pub(super) address: Address,
    pub(super) due: Instant,
}

/// A container.
pub struct Site {
    /// The state machine.
    pub node: Node<Context, Later>,
    /// The address of the container.
    pub address: Address,
    /// The result of attempts to connect to it.
    pub dials: Dials,
    /// The events for the test, with their times.
    pub events: Vec<(Instant, NodeEvent<Context, Later>)>,
    /// Unanswered calls of agents' `hold`.
    pub held: Vec<(Ticket<Later>, u64)>,
    /// The closed connections, with their reasons.
    pub closed: BTreeMap<ConnId, CloseReason>,
    /// The number of stops of the node.
    pub stopped: u32,
    /// The number of agents.
    pub agents: usize,
    pub(super) dialling: Vec<Dial>,
    later: Vec<(Instant, Ticket<Later>, u64)>,
    config: NodeConfig,
    first_agents: usize,
    seed: u64,
}

impl Site {
    pub(super) fn new(index: usize, agents: usize, config: &NodeConfig, now: Instant) -> Self {
        let address = Address::Local(index.to_string().into());
        let seed = index as u64;
        let mut site = Self {
            node: Node::new(config.clone(), address.clone(), Serve::Agents, seed, now),
            address,
            dials: Dials::Accepted,
            events: Vec::new(),
            held: Vec::new(),
            closed: BTreeMap::new(),
            stopped: 0,
            agents: 0,
            dialling: Vec::new(),
            later: Vec::new(),
            config: config.clone(),
            first_agents: agents,
            seed,
        };
        site.spawn(agents);
        site
    }

    /// Spawns `count` more agents.
    ///
    /// # Panics
    /// The limit of agents is reached.
    pub fn spawn(&mut self, count: usize) {
        for _ in 0..count {
            let url = self.node.spawn(TestAgent).expect("room for an agent");
            assert_eq!(url.aid(), self.agents.to_string());
            self.agents += 1;
        }
    }

    /// Replaces the node by a new one.
    pub(super) fn restart(&mut self, now: Instant) {
        self.seed += 1000;
        let config = self.config.clone();
        self.node = Node::new(config, self.address.clone(), Serve::Agents, self.seed, now);
        self.events.clear();
        self.held.clear();
        self.closed.clear();
        self.stopped = 0;
        self.agents = 0;
        self.dialling.clear();
        self.later.clear();
        self.spawn(self.first_agents);
    }

    /// Answers all calls of `hold`.
    pub fn answer_held(&mut self, now: Instant) {
        for (ticket, value) in mem::take(&mut self.held) {
            self.node.reply(now, ticket, &value);
        }
    }

    pub(super) fn next_event(&self) -> Option<Instant> {
        self.later.iter().map(|(at, ..)| *at).chain(self.node.poll_timeout()).min()
    }

    /// Handles due timers.
    pub(super) fn wake(&mut self, now: Instant) -> bool {
        if let Some(due) = self.later.iter().position(|(at, ..)| *at <= now) {
            let (_, ticket, value) = self.later.remove(due);
            self.node.reply(now, ticket, &value);
            return true;
        }
        if self.node.poll_timeout().is_some_and(|at| at <= now) {
            self.node.handle_timeout(now);
            return true;
        }
        false
    }

    pub(super) fn take(&mut self, now: Instant, event: NodeEvent<Context, Later>) {
        match event {
            NodeEvent::Later { ticket, later } => self.put_off(now, ticket, later),
            NodeEvent::Connected { ctx: Context::Relay { ticket, value }, remote } => {
                self.relay(now, &Target::from(&remote), ticket, value);
            }
            NodeEvent::ConnectFailed { ctx: Context::Relay { ticket, .. }, error } => {
                self.node.fail(now, ticket, relay_error(error));
            }
            NodeEvent::Answer { ctx: Context::Relay { ticket, value }, result } => {
                let answer = result.map_err(relay_error).map(|payload| payload.decode::<u64>());
                match answer {
                    Ok(answer) => {
                        assert_eq!(answer, Ok(value), "the answer to another call");
                        self.node.reply(now, ticket, &value);
                    }
                    Err(error) => self.node.fail(now, ticket, error),
                }
            }
            NodeEvent::Cancelled { conn, request, .. } => self.cancel(now, conn, request),
            NodeEvent::Closed { conn, reason } => {
                let before = self.closed.insert(conn, reason);
                assert!(before.is_none(), "T5: {conn:?} is closed twice");
            }
            NodeEvent::Stopped => {
                self.stopped += 1;
                assert_eq!(self.node.connections(), 0, "stopped with connections");
            }
            event => {
                if let NodeEvent::Connected { remote, .. } = &event
                    && let Route::Connection(conn) = remote.route
                {
                    assert!(self.node.wants_read(conn), "connected through a dead connection");
                }
                assert!(!matches!(event, NodeEvent::Request { .. }), "an agent was passed by");
                self.events.push((now, event));
            }
        }
    }

    /// Cancels the work on a request.
    fn cancel(&mut self, now: Instant, conn: ConnId, request: RequestId) {
        let is_it = |ticket: &Ticket<Later>| {
            ticket.route() == Route::Connection(conn) && ticket.request() == Some(request)
        };
        let held = self.held.extract_if(.., |(ticket, _)| is_it(ticket)).map(|(ticket, _)| ticket);
        let later = self.later.extract_if(.., |(_, ticket, _)| is_it(ticket));
        let ended: Vec<_> = held.chain(later.map(|(_, ticket, _)| ticket)).collect();
        for ticket in ended {
            self.node.fail(now, ticket, RemoteError::new("Cancelled", "this is not sent"));
        }
    }

    fn put_off(&mut self, now: Instant, ticket: Ticket<Later>, later: Later) {
        match later {
            Later::After { value, delay } => self.later.push((now + delay, ticket, value)),
            Later::Hold { value } => self.held.push((ticket, value)),
            Later::Relay { url, value } => {
                let ctx = Context::Relay { ticket, value };
                self.node.connect(now, url, RetryLimit::Once, ctx);
            }
            Later::Back { reference, value } => {
                let target = Self::back(&ticket, &reference);
                self.relay(now, &target, ticket, value);
            }
        }
    }

    fn back(ticket: &Ticket<Later>, reference: &RemoteRef) -> Target {
        Target::reference(ticket.route(), reference)
    }

    fn relay(&mut self, now: Instant, target: &Target, ticket: Ticket<Later>, value: u64) {
        let ctx = Context::Relay { ticket, value };
        let options = CallOptions::default();
        let called = self.node.call(now, target, "echo", &(value,), &(), options, ctx);
        if let Err(refused) = called
            && let Context::Relay { ticket, .. } = refused.ctx
        {
            self.node.fail(now, ticket, relay_error(refused.why));
        }
    }

    /// Returns whether the host has unanswered requests.
    #[must_use]
    pub fn owes_answers(&self) -> bool {
        !self.held.is_empty() || !self.later.is_empty()
    }

    /// Returns the configuration of a container, with short times.
    #[must_use]
    pub fn short_times() -> NodeConfig {
        let mut config = NodeConfig::default();
        config.connection.linger = Duration::from_millis(700);
        config.connection.limits.handshake = Duration::from_millis(900);
        // A world runs until it is idle. Heartbeats never end.
        config.connection.limits.keep_alive = None;
        config.container.dial_timeout = Duration::from_millis(800);
        config.container.validate_timeout = Duration::from_millis(1200);
        config.container.backoff.first = Duration::from_millis(100);
        config.container.backoff.max = Duration::from_millis(400);
        config.container.backoff.jitter_percent = 20;
        config.connection.limits.max_mailbox = 3;
        config
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site")
            .field("node", &self.node)
            .field("dials", &self.dials)
            .field("dialling", &self.dialling)
            .field("events", &self.events)
            .field("held", &self.held)
            .finish_non_exhaustive()
    }
}
