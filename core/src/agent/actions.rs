//! Actions: outputs of a container to its host.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::address::Address;
use super::id::{ConnId, DialId, ValidateTicket};

/// An action for the host of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open a connection, and report to [`Container::handle_dialled`](super::Container::handle_dialled).
    Dial {
        /// The attempt.
        id: DialId,
        /// The address to dial.
        address: Address,
    },
    /// Stop an attempt. No report is needed.
    ///
    /// If the attempt still succeeds, report it as usual; the container then requests to close the connection.
    CancelDial {
        /// The attempt.
        id: DialId,
    },
    /// Call `validate_aid(aid)` on the peer's root service, and report to
    /// [`Container::handle_validated`](super::Container::handle_validated).
    Validate {
        /// The connection to call on.
        conn: ConnId,
        /// The argument.
        aid: Arc<str>,
        /// The question, to be returned with the answer.
        ticket: ValidateTicket,
    },
    /// Cancel a question. No report is needed, and a late answer is ignored.
    CancelValidate {
        /// The connection of the question.
        conn: ConnId,
        /// The question.
        ticket: ValidateTicket,
    },
    /// Close a connection, and then report to [`Container::handle_closed`](super::Container::handle_closed).
    Close {
        /// The connection.
        conn: ConnId,
    },
}

/// The actions that the host has not fetched yet.
///
/// Obsolete actions are removed, so the host never sees a connection that it has reported closed.
#[derive(Debug, Default)]
pub(super) struct Actions {
    cancels: BTreeSet<DialId>,
    closes: BTreeSet<ConnId>,
    validates: BTreeMap<ValidateTicket, (ConnId, Arc<str>)>,
    dials: BTreeMap<DialId, Address>,
    cancelled_validates: BTreeMap<ValidateTicket, ConnId>,
}

impl Actions {
    pub(super) fn dial(&mut self, id: DialId, address: Address) {
        self.dials.insert(id, address);
    }

    pub(super) fn cancel_dial(&mut self, id: DialId) {
        if self.dials.remove(&id).is_none() {
            self.cancels.insert(id);
        }
    }

    pub(super) fn validate(&mut self, ticket: ValidateTicket, conn: ConnId, aid: Arc<str>) {
        self.validates.insert(ticket, (conn, aid));
    }

    pub(super) fn cancel_validate(&mut self, ticket: ValidateTicket, conn: ConnId) {
        if self.validates.remove(&ticket).is_none() {
            self.cancelled_validates.insert(ticket, conn);
        }
    }

    /// Removes the action of a question whose connection is closed.
    pub(super) fn drop_validate(&mut self, ticket: ValidateTicket) {
        self.validates.remove(&ticket);
    }

    pub(super) fn close(&mut self, conn: ConnId) {
        self.closes.insert(conn);
    }

    /// Removes the actions of an attempt that has ended.
    pub(super) fn dial_ended(&mut self, id: DialId) {
        self.dials.remove(&id);
        self.cancels.remove(&id);
    }

    /// Removes the close action of a connection that is closed.
    pub(super) fn closed(&mut self, conn: ConnId) {
        self.closes.remove(&conn);
        self.cancelled_validates.retain(|_, asked| *asked != conn);
    }

    /// Returns the next action. Actions that release resources come first.
    pub(super) fn pop(&mut self) -> Option<Action> {
        if let Some(id) = self.cancels.pop_first() {
            return Some(Action::CancelDial { id });
        }
        if let Some((ticket, conn)) = self.cancelled_validates.pop_first() {
            return Some(Action::CancelValidate { conn, ticket });
        }
        if let Some(conn) = self.closes.pop_first() {
            return Some(Action::Close { conn });
        }
        if let Some((ticket, (conn, aid))) = self.validates.pop_first() {
            return Some(Action::Validate { conn, aid, ticket });
        }
        self.dials.pop_first().map(|(id, address)| Action::Dial { id, address })
    }
}
