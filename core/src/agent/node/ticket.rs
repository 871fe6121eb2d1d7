//! Callers, and the right to answer.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::time::Instant;

use crate::agent::{ConnId, Mailbox, Route, ValidateTicket};
use crate::connection::{ReplyToken, RequestId};
use crate::rpc::{Access, Caller, Encoder, Service};
use crate::wire::Payload;

/// The owner of a call on a connection.
#[derive(Debug)]
pub(super) enum Waiting<X> {
    Host(X),
    Validate(ValidateTicket),
}

/// The source of the calls that the node's own agents make: no connection has this number.
const LOCAL: u64 = u64::MAX;

/// The destination of an answer.
#[derive(Debug)]
pub(super) enum ReplyTo {
    Peer { conn: ConnId, token: ReplyToken, deadline: Option<Instant> },
    Local { id: u64 },
}

impl ReplyTo {
    pub(super) fn caller(&self) -> Caller {
        match self {
            Self::Peer { conn, deadline, .. } => Caller::new(conn.0).with_deadline(*deadline),
            Self::Local { .. } => Caller::local(),
        }
    }

    /// Returns the source in a mailbox: a connection, or all agents of the node together.
    pub(super) const fn source(&self) -> u64 {
        match self {
            Self::Peer { conn, .. } => conn.0,
            Self::Local { .. } => LOCAL,
        }
    }
}

/// The right to answer a request, once.
///
/// While it is held, an agent that was called exclusively takes no other calls.
#[must_use = "the caller waits for an answer"]
pub struct Ticket<L> {
    pub(super) reply: ReplyTo,
    pub(super) encoder: Encoder,
    pub(super) busy: Option<Busy<L>>,
}

impl<L> Ticket<L> {
    /// Returns the route of the request. References in its arguments are called over the same route.
    #[must_use]
    pub const fn route(&self) -> Route {
        match self.reply {
            ReplyTo::Peer { conn, .. } => Route::Connection(conn),
            ReplyTo::Local { .. } => Route::Local,
        }
    }

    /// Returns the request, as named by [`NodeEvent::Cancelled`](super::NodeEvent); `None` without a connection.
    #[must_use]
    pub const fn request(&self) -> Option<RequestId> {
        match &self.reply {
            ReplyTo::Peer { token, .. } => Some(token.request()),
            ReplyTo::Local { .. } => None,
        }
    }

    /// Returns when the caller stops waiting, if known.
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        match self.reply {
            ReplyTo::Peer { deadline, .. } => deadline,
            ReplyTo::Local { .. } => None,
        }
    }
}

impl<L> fmt::Debug for Ticket<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket")
            .field("route", &self.route())
            .field("request", &self.request())
            .finish_non_exhaustive()
    }
}

/// An agent and its waiting calls.
pub(super) struct Agent<L> {
    pub(super) service: Box<dyn Service<L>>,
    pub(super) mailbox: RefCell<Mailbox<Queued>>,
}

/// A call that waits for its agent.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) reply: ReplyTo,
    /// The whole content: it is parsed again when the call starts.
    pub(super) content: Payload,
}

impl<L> Agent<L> {
    pub(super) fn new(service: impl Service<L> + 'static) -> Self {
        Self { service: Box::new(service), mailbox: RefCell::default() }
    }
}

impl<L> fmt::Debug for Agent<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Agent").field(&self.service.type_name()).finish()
    }
}

/// A call that occupies an agent, from its start to its answer.
pub(super) struct Busy<L> {
    pub(super) agent: Rc<Agent<L>>,
    pub(super) access: Access,
}

impl<L> fmt::Debug for Busy<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Busy").field(&self.agent).field(&self.access).finish()
    }
}
