//! A container and its connections in one, for hosts with a single thread.

mod call;
mod connections;
mod serve;
mod slab;
#[cfg(test)]
mod tests;
mod ticket;

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

pub use call::{NodeCall, Target};
pub use serve::Serve;
pub use ticket::Ticket;

use super::local::LocalCodec;
use super::{
    Action, Address, AgentUrl, Agents, ConnId, ConnectError, ConnectId, Container, ContainerConfig,
    ContainerError, ContainerEvent, DialError, DialId, Remote, RetryLimit, ValidateTicket,
};
use crate::connection::{
    Admission, AdmissionStats, Admitted, CallError, CallId, CallRejected, CancelCause, Close,
    CloseReason, Config, Negotiate, Pending, RequestId, Side, Transmit,
};
use crate::rpc::Service;
use crate::wire::{CodecContext, Payload, RemoteError};
use connections::Connections;
use ticket::{Agent, Waiting};

/// A whole endpoint without I/O: a [`Container`], its connections, its services, and routing between them.
///
/// It is for programs with their own event loop. The host moves the bytes and passes the time.
/// [`poll_action`](Self::poll_action) returns actions (open, write and close streams), and
/// [`poll_event`](Self::poll_event) events. The rules are those of [`Connection`](crate::connection::Connection): after
/// any input or command, poll until `None`, then sleep until [`poll_timeout`](Self::poll_timeout).
///
/// `X` is the host's context of a call or connect, returned with its result. `L` is the type by which services defer an
/// answer: their value in [`Outcome::Later`](crate::rpc::Outcome::Later) is returned as [`NodeEvent::Later`], with a
/// [`Ticket`] for [`answer`](Self::answer).
///
/// Calls between agents of the same node use no connection, but are encoded and decoded all the same.
///
/// `core/examples/poll_loop.rs` is a complete host.
#[derive(Debug)]
pub struct Node<X, L> {
    serve: Serve<L>,
    container: Container<X>,
    agents: Agents<Rc<Agent<L>>>,
    connections: Connections<Waiting<X>>,
    /// Calls between our own agents.
    local: Pending<X>,
    local_codec: LocalCodec,
    /// The calls that ask peers for agents.
    questions: BTreeMap<ValidateTicket, CallId>,
    mailbox_limit: u32,
    admission: Admission,
    /// The permits of accepted connections.
    admitted: BTreeMap<ConnId, Admitted>,
    /// How connections are closed on the container's request.
    close: Close,
    events: VecDeque<NodeEvent<X, L>>,
    now: Instant,
}

/// An action for the host of a [`Node`].
#[derive(Debug)]
#[non_exhaustive]
pub enum NodeAction {
    /// Open a stream, and report to [`Node::handle_dialled`].
    Dial {
        /// The attempt.
        id: DialId,
        /// The address to dial.
        address: Address,
    },
    /// Stop an attempt. If it still succeeds, report it as usual.
    CancelDial {
        /// The attempt.
        id: DialId,
    },
    /// Write to a stream, and report to [`Node::handle_transmitted`].
    Write {
        /// The stream.
        conn: ConnId,
        /// The bytes to write, behind all earlier ones.
        transmit: Transmit,
    },
    /// Close a stream, and discard its unwritten bytes.
    Close {
        /// The stream.
        conn: ConnId,
    },
}

/// An event of a [`Node`].
#[derive(Debug)]
#[non_exhaustive]
pub enum NodeEvent<X, L> {
    /// A call of the host has ended.
    Answer {
        /// The context of the call.
        ctx: X,
        /// The result.
        result: Result<Payload, CallError>,
    },
    /// A [`connect`](Node::connect) has succeeded.
    Connected {
        /// The context of the connect.
        ctx: X,
        /// The agent.
        remote: Remote,
    },
    /// A [`connect`](Node::connect) has failed.
    ConnectFailed {
        /// The context of the connect.
        ctx: X,
        /// The reason.
        error: ConnectError,
    },
    /// A service defers its answer.
    Later {
        /// The ticket to answer with.
        ticket: Ticket<L>,
        /// The value that the service returned.
        later: L,
    },
    /// A peer sent a request, with [`Serve::Content`].
    Request {
        /// The ticket to answer with.
        ticket: Ticket<L>,
        /// The content.
        content: Payload,
    },
    /// A peer no longer waits for the answer to a request: see [`Event::Cancelled`](crate::connection::Event).
    ///
    /// If the host has a [`Ticket`] for the request, further work on it is useless, and its answer is not sent. A call
    /// that waits for its agent is not started.
    Cancelled {
        /// The connection.
        conn: ConnId,
        /// The request, as returned by [`Ticket::request`].
        request: RequestId,
        /// The reason.
        cause: CancelCause,
    },
    /// A connection has ended.
    Closed {
        /// The connection.
        conn: ConnId,
        /// The reason.
        reason: CloseReason,
    },
    /// The container is shut down, and all its connections are closed.
    Stopped,
}

/// The configuration of a [`Node`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct NodeConfig {
    /// The configuration of each connection, with the user's types: dates and proxies are added where needed.
    pub connection: Config,
    /// The configuration of the container.
    pub container: ContainerConfig,
}

impl<X, L> Node<X, L> {
    /// Creates a node that listens at `base` and serves `serve`. `seed` seeds its random numbers.
    ///
    /// [`set_base`](Self::set_base) can change the address later.
    #[must_use]
    pub fn new(
        config: NodeConfig,
        base: Address,
        serve: Serve<L>,
        seed: u64,
        now: Instant,
    ) -> Self {
        let NodeConfig { connection, container } = config;
        let limits = &connection.limits;
        let types = serve.types(&connection.types);
        let local_codec = CodecContext::new(types.clone(), limits.budget).guarded(true);
        Self {
            serve,
            agents: Agents::new(container.max_agents),
            container: Container::new(container, base, seed),
            local: Pending::new(),
            local_codec: LocalCodec::new(local_codec),
            questions: BTreeMap::new(),
            mailbox_limit: limits.max_mailbox,
            admission: Admission::new(limits),
            admitted: BTreeMap::new(),
            connections: Connections::new(Arc::new(Config { types, ..connection })),
            close: Close::Now,
            events: VecDeque::new(),
            now,
        }
    }

    /// Sets the address that agents' URLs begin with, once a free port has been found.
    pub fn set_base(&mut self, base: Address) {
        self.container.set_base(base);
    }

    /// Returns the address that agents' URLs begin with.
    #[must_use]
    pub const fn base(&self) -> &Address {
        self.container.base()
    }

    /// Sets how connections that are dialled from now on agree on a codec.
    ///
    /// For hosts whose peers do not all speak the same codec.
    pub fn set_negotiate(&mut self, negotiate: Negotiate) {
        self.connections.set_negotiate(negotiate);
    }

    /// Adds an agent. Its id is the next number, as in aiomas.
    ///
    /// # Errors
    /// There are too many agents, or the node is shut down.
    pub fn spawn(&mut self, agent: impl Service<L> + 'static) -> Result<AgentUrl, ContainerError> {
        let number = self.agents.insert(Rc::new(Agent::new(agent)))?;
        Ok(AgentUrl::new(self.base().clone(), number.to_string()))
    }

    /// Removes an agent. Returns whether the agent existed.
    ///
    /// Waiting calls to the agent fail; running ones may still be answered.
    pub fn remove(&mut self, aid: &str) -> bool {
        let Some(agent) = self.agents.remove(aid) else { return false };
        let waiting = agent.mailbox.borrow_mut().take_queue();
        for (_, call) in waiting {
            let gone = format!("Name \"{aid}\" not found in \"agents\"");
            self.deliver(call.reply, Err(RemoteError::lookup(gone)));
        }
        self.turn();
        true
    }

    /// Finds an agent, here or elsewhere. It ends in [`NodeEvent::Connected`] or [`NodeEvent::ConnectFailed`] with
    /// `ctx`.
    ///
    /// If no stream to the agent's container is open, one is opened.
    pub fn connect(&mut self, now: Instant, url: AgentUrl, limit: RetryLimit, ctx: X) -> ConnectId {
        self.advance(now);
        let id = if url.address() == self.base() {
            let type_name = self.agents.get(url.aid()).map(|agent| agent.service.type_name());
            self.container.connect_here(url, type_name.map(Arc::from), ctx)
        } else {
            self.container.connect(self.now, url, limit, ctx)
        };
        self.turn();
        id
    }

    /// Cancels a [`connect`](Self::connect).
    pub fn cancel_connect(&mut self, id: ConnectId) -> Option<X> {
        let ctx = self.container.cancel(id);
        self.turn();
        ctx
    }

    /// Handles the result of an attempt to open a stream. Returns the id of the stream from now on.
    pub fn handle_dialled(
        &mut self,
        now: Instant,
        dial: DialId,
        result: Result<(), DialError>,
    ) -> Option<ConnId> {
        self.advance(now);
        let conn = result.map(|()| self.connections.open(Side::Dialler, self.now));
        self.container.handle_dialled(self.now, dial, conn.clone());
        if let Ok(conn) = conn
            && !self.container.has_dialled(conn)
        {
            // The attempt was cancelled, and the container does not wait for its end.
            self.close(now, conn, Close::Now);
        }
        self.turn();
        conn.ok()
    }

    /// Handles an accepted stream, from a peer at this address, if it has one.
    ///
    /// # Errors
    /// Too many are open, or the node is shut down: close the stream.
    pub fn handle_accepted(
        &mut self,
        now: Instant,
        peer: Option<&str>,
    ) -> Result<ConnId, ContainerError> {
        self.admit(now, Side::Listener, peer)
    }

    fn admit(
        &mut self,
        now: Instant,
        side: Side,
        peer: Option<&str>,
    ) -> Result<ConnId, ContainerError> {
        self.advance(now);
        let place = self.admission.admit(peer)?;
        let conn = self.connections.open(side, self.now);
        let accepted = self.container.handle_accepted(self.now, conn);
        match accepted {
            Ok(()) => drop(self.admitted.insert(conn, place)),
            Err(_) => {
                self.admission.release(place);
                self.connections.discard(conn);
            }
        }
        self.turn();
        accepted.map(|()| conn)
    }

    /// Handles a stream that the host has opened of its own accord. It counts as accepted.
    ///
    /// The peer is no container, so [`connect`](Self::connect) does not use the stream.
    ///
    /// # Errors
    /// Too many are open, or the node is shut down: close the stream.
    pub fn handle_opened(&mut self, now: Instant) -> Result<ConnId, ContainerError> {
        self.admit(now, Side::Dialler, None)
    }

    /// Returns the counts of accepted and refused connections.
    #[must_use]
    pub const fn admission(&self) -> AdmissionStats {
        self.admission.stats()
    }

    /// Takes all whole frames off `input`, which collects the bytes of a stream.
    pub fn handle_input(&mut self, now: Instant, conn: ConnId, input: &mut bytes::BytesMut) {
        self.advance(now);
        let _gone =
            self.connections.with(conn, (), |connection, ()| connection.handle_input(now, input));
        self.turn();
    }

    /// Handles the end of the peer's side of a stream. `unread` bytes are left in the input.
    pub fn handle_eof(&mut self, now: Instant, conn: ConnId, unread: usize) {
        self.advance(now);
        let _gone =
            self.connections.with(conn, (), |connection, ()| connection.handle_eof(now, unread));
        self.turn();
    }

    /// Handles a broken stream.
    pub fn handle_lost(&mut self, now: Instant, conn: ConnId, why: impl Into<CloseReason>) {
        self.advance(now);
        let _gone =
            self.connections.with(conn, (), |connection, ()| connection.handle_lost(now, why));
        self.turn();
    }

    /// Informs the node that `bytes` have been written to a stream.
    pub fn handle_transmitted(&mut self, now: Instant, conn: ConnId, bytes: usize) {
        self.advance(now);
        let _gone = self
            .connections
            .with(conn, (), |connection, ()| connection.handle_transmitted(now, bytes));
        self.turn();
    }

    /// Returns whether to read from a stream.
    pub fn wants_read(&self, conn: ConnId) -> bool {
        self.connections.wants_read(conn)
    }

    /// Returns the number of connections, including those being closed.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// Returns the number of unfinished calls: the host's, and questions for agents.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.local.len() + self.connections.calls()
    }

    /// Advances the time to `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        self.container.handle_timeout(self.now);
        self.connections.handle_timeout(self.now);
        while let Some((_, ctx, after)) = self.local.expire(self.now) {
            let result = Err(CallError::TimedOut { after, sent: true });
            self.events.push_back(NodeEvent::Answer { ctx, result });
        }
        self.turn();
    }

    /// Returns when to call [`handle_timeout`](Self::handle_timeout), if nothing happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let container = self.container.poll_timeout();
        let connections = self.connections.poll_timeout();
        container.into_iter().chain(connections).chain(self.local.next_deadline()).min()
    }

    /// Returns the next action for the host.
    #[must_use = "this action is not returned again"]
    pub fn poll_action(&mut self) -> Option<NodeAction> {
        self.connections.poll_action()
    }

    /// Returns whether [`poll_event`](Self::poll_event) has an event: then do not wait for more input.
    #[must_use]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Returns the next event.
    #[must_use = "this event is not returned again"]
    pub fn poll_event(&mut self) -> Option<NodeEvent<X, L>> {
        self.events.pop_front()
    }

    /// Closes a connection.
    pub fn close(&mut self, now: Instant, conn: ConnId, how: Close) {
        self.advance(now);
        let _gone = self.connections.with(conn, (), |connection, ()| connection.close(now, how));
        self.turn();
    }

    /// Shuts the node down. It ends in [`NodeEvent::Stopped`].
    ///
    /// Every connect fails, and every connection is closed according to `how`.
    pub fn shutdown(&mut self, now: Instant, how: Close) {
        self.advance(now);
        self.close = how;
        self.agents.shut_down();
        self.container.shutdown(self.now);
        self.connections.close_all(self.now, how);
        self.turn();
    }

    fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// Passes outputs between the container and the connections until none are left.
    fn turn(&mut self) {
        loop {
            if let Some(conn) = self.connections.poll_closing() {
                let reason = self.connections.ending(conn);
                let reason = reason.unwrap_or_else(|| CallRejected::Closed.to_string());
                self.container.handle_closing(self.now, conn, reason);
            } else if let Some(action) = self.container.poll_action() {
                self.act(action);
            } else if let Some(event) = self.container.poll_event() {
                self.note(event);
            } else if let Some((conn, event)) = self.connections.poll_event() {
                self.take(conn, event);
            } else {
                return;
            }
        }
    }

    fn note(&mut self, event: ContainerEvent<X>) {
        self.events.push_back(match event {
            ContainerEvent::Connected { ctx, remote, .. } => NodeEvent::Connected { ctx, remote },
            ContainerEvent::Failed { ctx, error, .. } => NodeEvent::ConnectFailed { ctx, error },
            ContainerEvent::Stopped => NodeEvent::Stopped,
        });
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Dial { id, address } => self.connections.push(NodeAction::Dial { id, address }),
            Action::CancelDial { id } => self.connections.push(NodeAction::CancelDial { id }),
            Action::Close { conn } => {
                let (now, how) = (self.now, self.close);
                let _gone =
                    self.connections.with(conn, (), |connection, ()| connection.close(now, how));
            }
            Action::Validate { conn, aid, ticket } => self.validate(conn, &aid, ticket),
            Action::CancelValidate { conn, ticket } => self.cancel_validate(conn, ticket),
        }
    }
}
