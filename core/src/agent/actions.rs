//! What a container wants its host to do.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::address::Address;
use super::id::{ConnId, DialId, ValidateTicket};

/// Something for the host of a container to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open a connection, and tell [`Container::handle_dialled`](super::Container::handle_dialled).
    Dial {
        /// The attempt.
        id: DialId,
        /// Where to.
        address: Address,
    },
    /// Stop an attempt. Nothing needs to be told; if it should still succeed, tell it as usual and the
    /// container will ask for the connection to be closed.
    CancelDial {
        /// The attempt.
        id: DialId,
    },
    /// Call `validate_aid(aid)` on the peer's root service, and tell
    /// [`Container::handle_validated`](super::Container::handle_validated).
    Validate {
        /// The connection to call on.
        conn: ConnId,
        /// The argument.
        aid: Arc<str>,
        /// The question, to be given back with the answer.
        ticket: ValidateTicket,
    },
    /// Nobody waits for the answer to a question any more. Nothing needs to be told; an answer that
    /// still comes is ignored.
    CancelValidate {
        /// The connection that it was asked on.
        conn: ConnId,
        /// The question.
        ticket: ValidateTicket,
    },
    /// Close a connection, and tell [`Container::handle_closed`](super::Container::handle_closed) when
    /// that is done.
    Close {
        /// The connection.
        conn: ConnId,
    },
}

/// The actions that the host has not fetched yet. What has become pointless is taken back, so that the
/// host never hears of a connection that it has reported closed.
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

    /// The question ends with its connection.
    pub(super) fn drop_validate(&mut self, ticket: ValidateTicket) {
        self.validates.remove(&ticket);
    }

    pub(super) fn close(&mut self, conn: ConnId) {
        self.closes.insert(conn);
    }

    /// The dial has ended: it need neither be started nor cancelled any more.
    pub(super) fn dial_ended(&mut self, id: DialId) {
        self.dials.remove(&id);
        self.cancels.remove(&id);
    }

    /// The connection is closed: it need not be closed any more.
    pub(super) fn closed(&mut self, conn: ConnId) {
        self.closes.remove(&conn);
        self.cancelled_validates.retain(|_, asked| *asked != conn);
    }

    /// The next action. What frees something comes first.
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
