//! What a connection's task does without the lock: it runs what the peer calls.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::Waker;

use bytes::Buf;

use super::apart::{HEAVY, unpack};
use super::shared::{Connection, State};
use super::task::Stream;
use crate::later::Answer;
use crate::lock::lock;
use crate::trace::{self, Noticed};
use aiomas_core::connection::{ReplyToken, Request, RequestId};
use aiomas_core::internal::Packed;

/// Answers are handed to the connection when there are so many bytes of them, which then knows when it is too much.
const MAX_ANSWERS: usize = 64 * 1024;

/// What there is to do without the lock.
#[derive(Default)]
pub(super) struct Work {
    /// Requests to be run, in order.
    pub(super) requests: VecDeque<Request>,
    /// A message to be unpacked.
    pub(super) packed: Option<Packed>,
    /// Nobody waits for these any more, some of which may be among those above.
    pub(super) cancelled: Vec<RequestId>,
    pub(super) wakers: Vec<Waker>,
    /// How many calls have timed out while nothing came, if one just has.
    pub(super) silent: u32,
    /// Used again and again.
    answers: Vec<(ReplyToken, Answer)>,
}

impl Work {
    /// Whether there is nothing but to wake others; `runs` says whether requests may be run.
    #[inline]
    pub(super) fn is_none(&self, runs: bool) -> bool {
        (self.requests.is_empty() || !runs) && self.cancelled.is_empty() && self.packed.is_none()
    }

    /// Stops what nobody waits for any more, and does not even begin with what has come at the same time.
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
        // The youngest first: those that wait for others to end must not have their turn by that.
        running.into_iter().rev().for_each(|stop| stop.stop());
        connection.handler.cancelled(cancelled);
        self.cancelled.clear();
    }

    /// Hands over the answers that are there.
    fn answer(&mut self, state: &mut State, noticed: &mut Noticed) {
        let now = state.now;
        for (token, answer) in self.answers.drain(..) {
            // What cannot be sent is answered with a failure; if the connection is gone, so is the one who
            // waits.
            noticed.sent(&state.machine.answer(now, token, &answer));
        }
    }
}

impl<T, M> Stream<T, M> {
    /// Runs what the peer calls, and tells who has to know what became of the connection.
    pub(super) fn serve(&mut self, connection: &Arc<Connection>) {
        if !self.work.cancelled.is_empty() {
            self.work.stop(connection);
        }
        if self.runs && !self.work.requests.is_empty() {
            self.run(connection);
        }
        if let Some(packed) = self.work.packed.take() {
            self.unpack(connection, packed);
        }
        if self.closing && !self.closing_told {
            self.closing_told = true;
            connection.handler.closing(connection);
        }
        if self.work.silent > 0 {
            connection.silent(std::mem::take(&mut self.work.silent));
        }
        self.noticed.tell(connection);
        if let Some(reason) = &self.closed {
            // Nobody waits for the others.
            self.work.requests.clear();
            trace::closed(connection, reason);
            connection.handler.closed(connection, reason);
        }
    }

    /// Runs requests, until others should be let run, or there is no room for answers.
    fn run(&mut self, connection: &Arc<Connection>) {
        let (handler, mut bytes) = (&*connection.handler, 0);
        while let Some(request) = self.work.requests.pop_front() {
            let mut cost = request.content.bytes().len();
            if cost > HEAVY {
                connection.handle_apart(request);
                self.runs = false;
                break;
            }
            if let Some(answer) = handler.handle(connection, request) {
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
        if !self.transmit.has_remaining() {
            let _any = state.machine.refill(&mut self.transmit);
        }
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
        // There are events.
        self.behind = true;
    }
}
