//! The agents known behind each connection.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Visitor};

use super::actions::Actions;
use super::id::{ConnId, ConnectId, ValidateTicket};

/// The longest type name that is kept, in characters. A peer may send any length.
const MAX_TYPE_NAME: usize = 256;

/// The answer to a question: the name of the agent's type, truncated.
#[doc(hidden)]
#[derive(Debug)]
pub struct TypeName(#[doc(hidden)] pub Option<String>);

impl<'de> Deserialize<'de> for TypeName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_option(TypeNameVisitor)
    }
}

struct TypeNameVisitor;

impl<'de> Visitor<'de> for TypeNameVisitor {
    type Value = TypeName;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a type, or nothing")
    }

    fn visit_none<E>(self) -> Result<TypeName, E> {
        Ok(TypeName(None))
    }

    fn visit_unit<E>(self) -> Result<TypeName, E> {
        Ok(TypeName(None))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<TypeName, D::Error> {
        deserializer.deserialize_str(self)
    }

    fn visit_str<E>(self, name: &str) -> Result<TypeName, E> {
        Ok(TypeName(Some(name.chars().take(MAX_TYPE_NAME).collect())))
    }
}

/// The questions to the peers, and their answers.
///
/// All waiters for an agent share one question. Positive answers are kept as long as the connection, as in aiomas: if
/// an agent is removed later, the calls to it fail.
#[derive(Debug)]
pub(super) struct Validator {
    peers: BTreeMap<ConnId, Peer>,
    questions: BTreeMap<ValidateTicket, (ConnId, Arc<str>)>,
    next: u64,
    max_known: usize,
}

#[derive(Debug, Default)]
struct Peer {
    known: BTreeMap<Arc<str>, Arc<str>>,
    asked: BTreeMap<Arc<str>, Question>,
}

#[derive(Debug)]
struct Question {
    ticket: ValidateTicket,
    waiters: BTreeSet<ConnectId>,
}

impl Validator {
    pub(super) const fn new(max_known: usize) -> Self {
        Self { peers: BTreeMap::new(), questions: BTreeMap::new(), next: 0, max_known }
    }

    /// Returns the type of the agent if known; otherwise adds the waiter to an [`answer`](Self::answer).
    pub(super) fn ask(
        &mut self,
        conn: ConnId,
        aid: &Arc<str>,
        waiter: ConnectId,
        actions: &mut Actions,
    ) -> Option<Arc<str>> {
        let peer = self.peers.entry(conn).or_default();
        if let Some(type_name) = peer.known.get(aid) {
            return Some(Arc::clone(type_name));
        }
        let question = peer.asked.entry(Arc::clone(aid)).or_insert_with(|| {
            let ticket = ValidateTicket(self.next);
            self.next += 1;
            self.questions.insert(ticket, (conn, Arc::clone(aid)));
            actions.validate(ticket, conn, Arc::clone(aid));
            Question { ticket, waiters: BTreeSet::new() }
        });
        question.waiters.insert(waiter);
        None
    }

    /// Removes a waiter. A question without waiters is cancelled.
    pub(super) fn release(
        &mut self,
        conn: ConnId,
        aid: &str,
        waiter: ConnectId,
        actions: &mut Actions,
    ) {
        let Some(peer) = self.peers.get_mut(&conn) else { return };
        let Some(question) = peer.asked.get_mut(aid) else { return };
        question.waiters.remove(&waiter);
        if question.waiters.is_empty() {
            self.questions.remove(&question.ticket);
            actions.cancel_validate(question.ticket, conn);
            peer.asked.remove(aid);
        }
    }

    /// Returns whether an answer to this question is awaited on this connection.
    pub(super) fn awaits(&self, conn: ConnId, ticket: ValidateTicket) -> bool {
        self.questions.get(&ticket).is_some_and(|&(asked, _)| asked == conn)
    }

    /// Takes an answer and returns its waiters. A type's name is cached, in the form returned.
    pub(super) fn answer(
        &mut self,
        ticket: ValidateTicket,
        type_name: Option<&str>,
    ) -> (BTreeSet<ConnectId>, Option<Arc<str>>) {
        let type_name =
            type_name.map(|name| Arc::from(name.chars().take(MAX_TYPE_NAME).collect::<String>()));
        let waiters = self
            .questions
            .remove(&ticket)
            .and_then(|(conn, aid)| {
                let peer = self.peers.get_mut(&conn)?;
                let question = peer.asked.remove(&aid)?;
                if let Some(type_name) = &type_name {
                    if peer.known.len() >= self.max_known {
                        peer.known.clear();
                    }
                    if self.max_known > 0 {
                        peer.known.insert(aid, Arc::clone(type_name));
                    }
                }
                Some(question.waiters)
            })
            .unwrap_or_default();
        (waiters, type_name)
    }

    /// Removes a closed connection with all its answers. Returns its waiters.
    pub(super) fn closed(&mut self, conn: ConnId, actions: &mut Actions) -> BTreeSet<ConnectId> {
        let mut waiters = BTreeSet::new();
        for question in self.peers.remove(&conn).unwrap_or_default().asked.into_values() {
            self.questions.remove(&question.ticket);
            actions.drop_validate(question.ticket);
            waiters.extend(question.waiters);
        }
        waiters
    }
}
