//! The work of a connection's task without the lock: it runs the peer's requests.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use super::answers::settle;
use super::apart::{HEAVY, unpack};
use super::shared::{Connection, State};
use super::task::{Asked, Stream, Told};
use crate::later::Answer;
use crate::lock::lock;
use crate::trace::{self, Noticed};
use crate::transport::{Timer, Transport};
use aiomas_core::connection::{ReplyToken, Request, RequestId};
use aiomas_core::internal::Packed;

/// The size of answers that are passed on together. The connection then checks its output limit.
const MAX_ANSWERS: usize = 64 * 1024;

/// The work to do without the lock.
#[derive(Default)]
pub(super) struct Work {
    /// Requests to run, in order.
    pub(super) requests: VecDeque<Request>,
    /// A message to unpack.
    pub(super) packed: Option<Packed>,
    /// Cancelled requests; may overlap `requests`.
    pub(super) cancelled: Vec<RequestId>,
    pub(super) wakers: Vec<Waker>,
    /// The number of calls that timed out in silence, if one just has.
    pub(super) silent: u32,
    /// Kept empty between turns, to reuse its memory.
    answers: Vec<(ReplyToken, Answer)>,
}

impl Work {
    /// Returns whether no work but waking callers is left. `runs`: requests may run.
    #[inline]
    pub(super) fn is_none(&self, runs: bool) -> bool {
        (self.requests.is_empty() || !runs) && self.cancelled.is_empty() && self.packed.is_none()
    }

    /// Stops the methods of cancelled requests, and discards requests that have not started.
    #[cold]
    fn stop(&mut self, connection: &Arc<Connection>) {
        self.cancelled.sort_unstable();
        let cancelled = &self.cancelled;
        let is_cancelled =
            |request: &Request| cancelled.binary_search(&request.token.request()).is_ok();
        let (unwanted, wanted): (VecDeque<_>, _) =
            std::mem::take(&mut self.requests).into_iter().partition(is_cancelled);
        self.requests = wanted;
        let running: Vec<_> = {
            let mut state = lock(&connection.state);
            let State { machine, running, now, .. } = &mut *state;
            for request in unwanted {
                machine.discard(*now, request.token);
            }
            cancelled.iter().filter_map(|request| running.remove(request)).collect()
        };
        // The youngest first: if the oldest stopped first, a call that waits for it would start just to be stopped.
        running.into_iter().rev().for_each(|stop| stop.stop());
        connection.handler.cancelled(cancelled);
        self.cancelled.clear();
    }

    /// Passes the collected answers to the connection.
    fn answer(&mut self, state: &mut State, noticed: &mut Noticed) {
        let now = state.now;
        for (token, answer) in self.answers.drain(..) {
            // An unencodable answer becomes a failure; if the connection is closed, its peer waits no more.
            noticed.sent(&state.machine.answer(now, token, &answer));
        }
    }
}

impl<T: Transport, M: Timer> Stream<T, M> {
    /// Runs the peer's requests, and reports changes of the connection to the handler.
    pub(super) fn serve(&mut self, connection: &Arc<Connection>, asked: Asked) {
        if !self.work.cancelled.is_empty() {
            self.work.stop(connection);
        }
        if asked.runs && !self.work.requests.is_empty() {
            self.run(connection);
        }
        if let Some(packed) = self.work.packed.take() {
            self.unpack(connection, packed);
        }
        if asked.closing && matches!(self.told, Told::Nothing) {
            self.told = Told::Closing;
            connection.handler.closing(connection);
        }
        if self.work.silent > 0 {
            connection.silent(std::mem::take(&mut self.work.silent));
        }
        self.noticed.tell(connection);
        if let Some(reason) = &asked.closed {
            // No peer waits for the remaining requests.
            self.work.requests.clear();
            self.begin_shutdown(connection.host.now(), reason);
            trace::closed(connection, reason);
            connection.handler.closed(connection, reason);
        }
    }

    /// Runs requests, until the task should yield, or the output is full.
    ///
    /// Answers are collected and passed on under one lock, not one lock each.
    fn run(&mut self, connection: &Arc<Connection>) {
        let (handler, mut bytes) = (&*connection.handler, 0);
        while let Some(request) = self.work.requests.pop_front() {
            let mut cost = request.content.bytes().len();
            if cost > HEAVY {
                // The connection holds later requests back until the method has started.
                connection.handle_apart(request);
                break;
            }
            if let Some((token, outcome)) = handler.handle(connection, request)
                && let Some(answer) = settle(connection, token, outcome)
            {
                let length = match &answer.1 {
                    Ok(body) => body.len(),
                    Err(error) => error.text().len(),
                };
                cost += length;
                bytes += length;
                self.work.answers.push(answer);
            }
            self.quantum.spend_request(cost, || connection.host.now());
            if self.quantum.is_over() {
                break;
            }
            if bytes > MAX_ANSWERS {
                bytes = 0;
                let mut state = lock(&connection.state);
                self.work.answer(&mut state, &mut self.noticed);
                if state.machine.keeps_requests() || state.machine.is_closed() {
                    break;
                }
            }
        }
        let mut state = lock(&connection.state);
        self.work.answer(&mut state, &mut self.noticed);
        self.write.take_answers(&mut state.machine);
    }

    fn unpack(&mut self, connection: &Arc<Connection>, packed: Packed) {
        let length = packed.length();
        if length > HEAVY {
            connection.unpack_apart(packed);
            return;
        }
        let unpacked = unpack(packed);
        self.quantum.spend_request(length, || connection.host.now());
        let mut state = lock(&connection.state);
        let now = state.now;
        state.machine.handle_unpacked(now, unpacked);
        // Events are pending.
        self.read.behind = true;
    }
}
