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

/// A whole endpoint without I/O: a [`Container`], its connections, and the routing between them and the
/// services. What a program with an event loop of its own embeds.
///
/// The host moves bytes and tells the time; it is told what to do by [`poll_action`](Self::poll_action)
/// (open, write and close streams) and what has happened by [`poll_event`](Self::poll_event). The rules are
/// those of [`Connection`](crate::connection::Connection): poll until there is nothing more after any
/// input or command, then sleep until [`poll_timeout`](Self::poll_timeout).
///
/// `X` is what the host gets back when a call or a connect of its own ends. `L` is how its services put off
/// an answer: whatever they return in [`Outcome::Later`](crate::rpc::Outcome::Later) comes out as
/// [`NodeEvent::Later`], with a [`Ticket`] to [`answer`](Self::answer) by.
///
/// Calls between agents of the same node take no connection, but are encoded and decoded as if they did.
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
    /// The calls by which peers are asked for agents.
    questions: BTreeMap<ValidateTicket, CallId>,
    mailbox_limit: u32,
    admission: Admission,
    /// The places of accepted connections in it.
    admitted: BTreeMap<ConnId, Admitted>,
    /// How the container's wish to close a connection is carried out.
    close: Close,
    events: VecDeque<NodeEvent<X, L>>,
    now: Instant,
}

/// Something for the host of a [`Node`] to do.
#[derive(Debug)]
#[non_exhaustive]
pub enum NodeAction {
    /// Open a stream, and tell [`Node::handle_dialled`].
    Dial {
        /// The attempt.
        id: DialId,
        /// Where to.
        address: Address,
    },
    /// Stop an attempt. If it still succeeds, tell it as usual.
    CancelDial {
        /// The attempt.
        id: DialId,
    },
    /// Write to a stream, and tell [`Node::handle_transmitted`].
    Write {
        /// The stream.
        conn: ConnId,
        /// What to write, behind what was given before.
        transmit: Transmit,
    },
    /// Close a stream and forget it, and whatever has not been written to it.
    Close {
        /// The stream.
        conn: ConnId,
    },
}

/// Something that happened on a [`Node`].
#[derive(Debug)]
#[non_exhaustive]
pub enum NodeEvent<X, L> {
    /// A call that the host made has ended.
    Answer {
        /// The context that was given with the call.
        ctx: X,
        /// What came of it.
        result: Result<Payload, CallError>,
    },
    /// A [`connect`](Node::connect) has succeeded.
    Connected {
        /// The context that was given with it.
        ctx: X,
        /// The agent.
        remote: Remote,
    },
    /// A [`connect`](Node::connect) has failed.
    ConnectFailed {
        /// The context that was given with it.
        ctx: X,
        /// Why.
        error: ConnectError,
    },
    /// A service puts off its answer.
    Later {
        /// To be given back with the answer.
        ticket: Ticket<L>,
        /// What the service returned.
        later: L,
    },
    /// A peer asks for something, with [`Serve::Content`].
    Request {
        /// To be given back with the answer.
        ticket: Ticket<L>,
        /// What is asked.
        content: Payload,
    },
    /// Nobody waits any more for the answer to a request of a peer: see
    /// [`Event::Cancelled`](crate::connection::Event). If the host has a [`Ticket`] for it, work on it is in
    /// vain; whatever the host still answers is not sent. (A call that waits for its agent is not started.)
    Cancelled {
        /// The connection.
        conn: ConnId,
        /// What [`Ticket::request`] says.
        request: RequestId,
        /// Why.
        cause: CancelCause,
    },
    /// A connection has ended.
    Closed {
        /// Which.
        conn: ConnId,
        /// Why.
        reason: CloseReason,
    },
    /// The container is shut down, and all its connections are closed.
    Stopped,
}

/// The configuration of a [`Node`].
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct NodeConfig {
    /// For each connection. Its types are the user's: dates and proxies are added where they belong.
    pub connection: Config,
    /// For the container.
    pub container: ContainerConfig,
}

impl<X, L> Node<X, L> {
    /// A node that listens at `base` (or will: see [`set_base`](Self::set_base)) and serves `serve`.
    /// `seed` is where its randomness comes from.
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

    /// Tells the address that agents' URLs begin with, once a free port has been found.
    pub fn set_base(&mut self, base: Address) {
        self.container.set_base(base);
    }

    /// The address that agents' URLs begin with.
    #[must_use]
    pub const fn base(&self) -> &Address {
        self.container.base()
    }

    /// Tells how connections that are dialled from now on agree on a codec. For hosts whose peers do not all
    /// speak the same one.
    pub fn set_negotiate(&mut self, negotiate: Negotiate) {
        self.connections.set_negotiate(negotiate);
    }

    /// Lets an agent live here. Its id is the next number, as in aiomas.
    ///
    /// # Errors
    /// There are too many agents, or the node is shut down.
    pub fn spawn(&mut self, agent: impl Service<L> + 'static) -> Result<AgentUrl, ContainerError> {
        let number = self.agents.insert(Rc::new(Agent::new(agent)))?;
        Ok(AgentUrl::new(self.base().clone(), number.to_string()))
    }

    /// Removes an agent; says whether it was there. Calls that wait for it fail, those that have started
    /// may still be answered.
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

    /// Finds an agent, here or elsewhere; a stream is opened if there is none yet to its container. It
    /// ends in [`NodeEvent::Connected`] or [`NodeEvent::ConnectFailed`] with `ctx`.
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

    /// Gives a [`connect`](Self::connect) up.
    pub fn cancel_connect(&mut self, id: ConnectId) -> Option<X> {
        let ctx = self.container.cancel(id);
        self.turn();
        ctx
    }

    /// Tells how an attempt to open a stream has ended. With the id that is returned the host names the
    /// stream from now on.
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
            // The attempt has been given up, and the container does not wait for its end.
            self.close(now, conn, Close::Now);
        }
        self.turn();
        conn.ok()
    }

    /// Tells that a stream has been accepted, from a peer at this address, if it has one.
    ///
    /// # Errors
    /// There are too many, or the node is shut down: close the stream.
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

    /// Tells that the host has opened a stream of its own accord: to something that is no container, so that
    /// [`connect`](Self::connect) has no use for it. It counts as accepted.
    ///
    /// # Errors
    /// There are too many, or the node is shut down: close the stream.
    pub fn handle_opened(&mut self, now: Instant) -> Result<ConnId, ContainerError> {
        self.admit(now, Side::Dialler, None)
    }

    /// Counts of the connections that were accepted or refused.
    #[must_use]
    pub const fn admission(&self) -> AdmissionStats {
        self.admission.stats()
    }

    /// Takes all whole frames off `input`, where the bytes from a stream are collected.
    pub fn handle_input(&mut self, now: Instant, conn: ConnId, input: &mut bytes::BytesMut) {
        self.advance(now);
        let _gone =
            self.connections.with(conn, (), |connection, ()| connection.handle_input(now, input));
        self.turn();
    }

    /// Tells that the peer has closed its side of a stream, with `unread` bytes left in the input.
    pub fn handle_eof(&mut self, now: Instant, conn: ConnId, unread: usize) {
        self.advance(now);
        let _gone =
            self.connections.with(conn, (), |connection, ()| connection.handle_eof(now, unread));
        self.turn();
    }

    /// Tells that a stream is broken.
    pub fn handle_lost(&mut self, now: Instant, conn: ConnId, why: impl Into<CloseReason>) {
        self.advance(now);
        let _gone =
            self.connections.with(conn, (), |connection, ()| connection.handle_lost(now, why));
        self.turn();
    }

    /// Tells that `bytes` have been written to a stream.
    pub fn handle_transmitted(&mut self, now: Instant, conn: ConnId, bytes: usize) {
        self.advance(now);
        let _gone = self
            .connections
            .with(conn, (), |connection, ()| connection.handle_transmitted(now, bytes));
        self.turn();
    }

    /// Whether it is worth reading from a stream.
    pub fn wants_read(&self, conn: ConnId) -> bool {
        self.connections.wants_read(conn)
    }

    /// How many connections there are, those that are being closed included.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    /// How many calls have not ended: the host's, and questions for agents.
    #[must_use]
    pub fn calls(&self) -> usize {
        self.local.len() + self.connections.calls()
    }

    /// Tells that the time is `now`.
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

    /// When [`handle_timeout`](Self::handle_timeout) should be called, if nothing happens before.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let container = self.container.poll_timeout();
        let connections = self.connections.poll_timeout();
        container.into_iter().chain(connections).chain(self.local.next_deadline()).min()
    }

    /// What the host should do next.
    #[must_use = "this action is not returned again"]
    pub fn poll_action(&mut self) -> Option<NodeAction> {
        self.connections.poll_action()
    }

    /// Whether [`poll_event`](Self::poll_event) has something to tell: then do not wait for more.
    #[must_use]
    pub fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// What happened next.
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

    /// Ends the node: every connect fails, every connection is closed as `how` says. It ends in
    /// [`NodeEvent::Stopped`].
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

    /// Carries between the machines what they have for each other, until they have nothing more.
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
