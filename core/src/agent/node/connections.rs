//! The connections of a node: those with events, output or a timeout.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use super::NodeAction;
use super::slab::Slab;
use crate::agent::ConnId;
use crate::connection::{Close, Config, Connection, Event, Negotiate, ReplyToken, Side};
use crate::wire::Codec;

#[derive(Debug)]
pub(super) struct Connections<X> {
    config: Arc<Config>,
    slab: Slab<Entry<X>>,
    /// Connections that were changed, and may have events or output.
    touched: VecDeque<ConnId>,
    /// Connections that may have output.
    writing: VecDeque<ConnId>,
    timeouts: BTreeSet<(Instant, ConnId)>,
    /// Connections that accept no calls any more.
    closing: VecDeque<ConnId>,
    actions: VecDeque<NodeAction>,
}

#[derive(Debug)]
struct Entry<X> {
    connection: Connection<X>,
    touched: bool,
    writing: bool,
    closing: bool,
    /// The time in `timeouts`.
    timeout: Option<Instant>,
}

impl<X> Connections<X> {
    pub(super) const fn new(config: Arc<Config>) -> Self {
        Self {
            config,
            slab: Slab::new(),
            touched: VecDeque::new(),
            writing: VecDeque::new(),
            timeouts: BTreeSet::new(),
            closing: VecDeque::new(),
            actions: VecDeque::new(),
        }
    }

    pub(super) fn set_negotiate(&mut self, negotiate: Negotiate) {
        if self.config.negotiate != negotiate {
            Arc::make_mut(&mut self.config).negotiate = negotiate;
        }
    }

    pub(super) fn open(&mut self, side: Side, now: Instant) -> ConnId {
        let connection = Connection::new(self.config.clone(), side, now);
        let id = self.slab.insert(Entry {
            connection,
            touched: false,
            writing: false,
            closing: false,
            timeout: None,
        });
        // A Hello may have to be written.
        self.touch(id);
        id
    }

    /// Removes a connection, without further events.
    pub(super) fn discard(&mut self, id: ConnId) {
        if let Some(at) = self.slab.remove(id).and_then(|entry| entry.timeout) {
            self.timeouts.remove(&(at, id));
        }
    }

    /// Calls a function with a connection. Returns `input` if the connection is gone.
    pub(super) fn with<I, R>(
        &mut self,
        id: ConnId,
        input: I,
        f: impl FnOnce(&mut Connection<X>, I) -> R,
    ) -> Result<R, I> {
        let Some(entry) = self.slab.get_mut(id) else {
            return Err(input);
        };
        let result = f(&mut entry.connection, input);
        if !std::mem::replace(&mut entry.touched, true) {
            self.touched.push_back(id);
        }
        if !std::mem::replace(&mut entry.writing, true) {
            self.writing.push_back(id);
        }
        if !entry.connection.is_open() && !std::mem::replace(&mut entry.closing, true) {
            self.closing.push_back(id);
        }
        let timeout = entry.connection.poll_timeout();
        if timeout != entry.timeout {
            let before = std::mem::replace(&mut entry.timeout, timeout);
            if let Some(at) = before {
                self.timeouts.remove(&(at, id));
            }
            if let Some(at) = timeout {
                self.timeouts.insert((at, id));
            }
        }
        Ok(result)
    }

    pub(super) fn wants_read(&self, id: ConnId) -> bool {
        self.slab.get(id).is_some_and(|entry| entry.connection.wants_read())
    }

    /// Returns whether a peer has cancelled a request; false if the connection is gone.
    pub(super) fn is_cancelled(&self, id: ConnId, token: &ReplyToken) -> bool {
        self.slab.get(id).is_some_and(|entry| entry.connection.is_cancelled(token))
    }

    /// Returns the codec of a request.
    pub(super) fn codec_of(&self, id: ConnId, token: &ReplyToken) -> Option<Codec> {
        self.slab.get(id).map(|entry| entry.connection.codec_of(token))
    }

    /// Returns the reason for closing in words; `None` while the connection is open.
    pub(super) fn ending(&self, id: ConnId) -> Option<String> {
        self.slab.get(id).and_then(|entry| entry.connection.ending())
    }

    pub(super) fn len(&self) -> usize {
        self.slab.ids().count()
    }

    /// Returns the number of our calls in flight.
    pub(super) fn calls(&self) -> usize {
        let calls = |id| self.slab.get(id).map_or(0, |entry| entry.connection.calls_out());
        self.slab.ids().map(calls).sum()
    }

    fn touch(&mut self, id: ConnId) {
        let _closed = self.with(id, (), |_, ()| ());
    }

    pub(super) fn close_all(&mut self, now: Instant, how: Close) {
        for id in self.slab.ids().collect::<Vec<_>>() {
            let _closed = self.with(id, (), |connection, ()| connection.close(now, how));
        }
    }

    pub(super) fn handle_timeout(&mut self, now: Instant) {
        // Only connections due now: a connection may become due again at the same instant.
        let due: Vec<_> = self.timeouts.range(..=(now, ConnId(u64::MAX))).copied().collect();
        for (_, id) in due {
            let _closed = self.with(id, (), |connection, ()| connection.handle_timeout(now));
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.timeouts.first().map(|(at, _)| *at)
    }

    /// Returns a connection that accepts no calls any more. Poll it before the events.
    pub(super) fn poll_closing(&mut self) -> Option<ConnId> {
        self.closing.pop_front()
    }

    pub(super) fn poll_event(&mut self) -> Option<(ConnId, Event<X>)> {
        while let Some(&id) = self.touched.front() {
            if let Some(entry) = self.slab.get_mut(id) {
                if let Some(event) = entry.connection.poll_event() {
                    return Some((id, event));
                }
                entry.touched = false;
            }
            self.touched.pop_front();
        }
        None
    }

    pub(super) fn push(&mut self, action: NodeAction) {
        self.actions.push_back(action);
    }

    /// Returns the next action. Writes come last, so that as much as possible goes into one.
    pub(super) fn poll_action(&mut self) -> Option<NodeAction> {
        if let Some(action) = self.actions.pop_front() {
            return Some(action);
        }
        while let Some(conn) = self.writing.pop_front() {
            if let Some(entry) = self.slab.get_mut(conn) {
                entry.writing = false;
                if let Some(transmit) = entry.connection.poll_transmit() {
                    return Some(NodeAction::Write { conn, transmit });
                }
            }
        }
        None
    }
}
