//! Two connections, and a link between them with configurable faults.
//!
//! Time is virtual: it jumps to the next event. Everything runs in one thread, and runs are
//! reproducible.

mod link;

use std::fmt;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aiomas_core::connection::{
    CallError, CallId, CallOptions, CloseReason, Config, Connection, Event, Refused, ReplyToken,
    Request, Side, TimeoutReason,
};
use aiomas_core::wire::{Payload, RemoteError};
use bytes::{Buf, BytesMut};
use serde::Serialize;
use serde_json::Value;

pub use link::{Cut, Cuts, Link};

use link::Piece;

/// The distance into the past of an outdated time.
pub(crate) const LONG_AGO: Duration = Duration::from_secs(1);

/// More steps than any test needs.
const MAX_STEPS: usize = 1_000_000;

/// The reaction to a request.
#[derive(Clone, Debug)]
pub enum Reaction {
    /// Sends the result.
    Reply(Value),
    /// Sends the failure.
    Fail(RemoteError),
    /// Delays another reaction.
    After(Duration, Box<Self>),
    /// Keeps the request in [`End::held`] for the test.
    Hold,
    /// Never answers.
    Ignore,
}

impl Reaction {
    /// Echoes the request's content.
    #[must_use]
    pub fn echo(request: &Request) -> Self {
        match request.content.decode() {
            Ok(value) => Self::Reply(value),
            Err(error) => Self::Fail(RemoteError::value_error(error)),
        }
    }
}

/// Chooses the reaction to each request.
pub type Handler = Box<dyn FnMut(&Request) -> Reaction>;

/// One side, and the link from it to the other one.
pub struct End {
    /// The state machine.
    pub connection: Connection<u64>,
    /// The events, except requests.
    pub events: Vec<Event<u64>>,
    /// Requests without an answer.
    pub held: Vec<Request>,
    /// Chooses the reaction to requests. The default echoes them.
    pub handler: Handler,
    /// The link to the other side.
    pub link: Link,
    input: BytesMut,
    /// The end of the stream has been read.
    ended: bool,
    later: Vec<(Instant, ReplyToken, Reaction)>,
    next_ctx: u64,
    told: Instant,
}

impl End {
    fn new(config: Config, side: Side, now: Instant) -> Self {
        Self {
            connection: Connection::new(Arc::new(config), side, now),
            events: Vec::new(),
            held: Vec::new(),
            handler: Box::new(Reaction::echo),
            link: Link::new(),
            input: BytesMut::new(),
            ended: false,
            later: Vec::new(),
            next_ctx: 0,
            told: now,
        }
    }

    /// Returns the result of the call `id`, if it has ended.
    #[must_use]
    pub fn answer(&self, id: CallId) -> Option<&Result<Payload, CallError>> {
        self.events.iter().find_map(|event| match event {
            Event::Answer { id: ended, result, .. } if *ended == id => Some(result),
            _ => None,
        })
    }

    /// Returns the value of the call `id`.
    ///
    /// # Panics
    /// The call has no value.
    #[must_use]
    pub fn result(&self, id: CallId) -> Value {
        let answer = self.answer(id).expect("the call has ended");
        answer.as_ref().expect("a result").decode().expect("a value")
    }

    /// Returns the error of the call `id`.
    ///
    /// # Panics
    /// The call has not failed.
    #[must_use]
    pub fn failure(&self, id: CallId) -> &CallError {
        self.answer(id).expect("the call has ended").as_ref().expect_err("a failure")
    }

    /// Returns the reason for which the connection is closed, if it is.
    #[must_use]
    pub fn closed(&self) -> Option<&CloseReason> {
        match self.events.last() {
            Some(Event::Closed { reason }) => Some(reason),
            _ => None,
        }
    }

    fn next_event(&self, other: &Self) -> Option<Instant> {
        let later = self.later.iter().map(|(at, ..)| *at);
        let timeout = self.connection.poll_timeout();
        self.arrival(other).into_iter().chain(timeout).chain(later).min()
    }

    /// Returns the arrival of the next piece from the other side, if this side reads.
    fn arrival(&self, other: &Self) -> Option<Instant> {
        let over = self.ended || self.connection.is_closed();
        other.link.arrival().filter(|_| over || self.connection.wants_read())
    }

    /// Returns whether only heartbeats are left, which never end.
    fn is_quiet(&self) -> bool {
        let beats = matches!(
            self.connection.timeout_reason(),
            None | Some(TimeoutReason::Heartbeat { .. })
        );
        beats && self.link.arrival().is_none() && self.later.is_empty()
    }

    fn react(&mut self, now: Instant, token: ReplyToken, reaction: Reaction) {
        // The connection may have closed in the meantime, or reject a result that is too long.
        let _refused = match reaction {
            Reaction::Reply(value) => self.connection.reply(self.told, token, &value),
            Reaction::Fail(error) => self.connection.fail(self.told, token, &error),
            Reaction::After(delay, reaction) => {
                self.later.push((now + delay, token, *reaction));
                Ok(())
            }
            Reaction::Hold | Reaction::Ignore => {
                self.connection.discard(self.told, token);
                Ok(())
            }
        };
    }

    fn poll_event(&mut self, now: Instant) -> bool {
        match self.connection.poll_event() {
            Some(Event::Request(request)) => match (self.handler)(&request) {
                Reaction::Hold => self.held.push(request),
                reaction => self.react(now, request.token, reaction),
            },
            Some(Event::Cancelled { request, cause }) => {
                // Cancels the pending reaction to the request.
                let is_it = |(_, token, _): &mut (_, ReplyToken, _)| token.request() == request;
                for (_, token, _) in self.later.extract_if(.., is_it) {
                    self.connection.discard(self.told, token);
                }
                self.events.push(Event::Cancelled { request, cause });
            }
            Some(event) => self.events.push(event),
            None => return false,
        }
        true
    }

    fn write(&mut self, now: Instant) -> bool {
        let link = &mut self.link;
        if link.over || link.stalled {
            return false;
        }
        if self.connection.is_closed() {
            // The owner of this link closes the stream.
            link.writing = None;
            link.send(now, Piece::Eof);
            return true;
        }
        let Some(mut transmit) = link.writing.take().or_else(|| self.connection.poll_transmit())
        else {
            return false;
        };
        let mut size = link.cuts.next(transmit.remaining());
        if let Some((limit, _)) = link.cut_after {
            size = size.min(limit - link.written.len());
        }
        let bytes = transmit.copy_to_bytes(size);
        link.written.extend_from_slice(&bytes);
        link.writing = transmit.has_remaining().then_some(transmit);
        link.send(now, Piece::Bytes(bytes));
        self.connection.handle_transmitted(self.told, size);
        match link.cut_after.filter(|(limit, _)| link.written.len() >= *limit) {
            Some((_, Cut::Eof)) => link.send(now, Piece::Eof),
            Some((_, Cut::Reset)) => {
                link.send(now, Piece::Reset);
                self.connection.handle_lost(self.told, ErrorKind::ConnectionReset);
            }
            None => {}
        }
        true
    }

    fn receive(&mut self, piece: Piece, varied: bool) {
        match piece {
            Piece::Bytes(bytes) => {
                for part in bytes.chunks(if varied { 1 } else { bytes.len().max(1) }) {
                    self.input.extend_from_slice(part);
                    self.connection.handle_input(self.told, &mut self.input);
                }
            }
            Piece::Eof => {
                self.ended = true;
                self.connection.handle_eof(self.told, self.input.len());
            }
            Piece::Reset => self.connection.handle_lost(self.told, ErrorKind::ConnectionReset),
        }
    }

    /// Passes the time to the connection. If `varied`, spurious calls and an outdated time follow.
    fn tell(&mut self, now: Instant, varied: bool) {
        self.told = now;
        // Deferred input may be accepted now.
        if varied || self.connection.wants_read() {
            self.connection.handle_input(now, &mut self.input);
        }
        if varied {
            self.connection.handle_transmitted(now, 0);
            if self.connection.poll_timeout().is_none_or(|at| at > now) {
                self.connection.handle_timeout(now);
            }
            self.told = now.checked_sub(LONG_AGO).unwrap_or(now);
        }
    }

    /// Handles due timers.
    fn wake(&mut self, now: Instant) -> bool {
        if let Some(due) = self.later.iter().position(|(at, ..)| *at <= now) {
            let (_, token, reaction) = self.later.remove(due);
            self.react(now, token, reaction);
            return true;
        }
        if self.connection.poll_timeout().is_some_and(|at| at <= now) {
            self.connection.handle_timeout(self.told);
            return true;
        }
        false
    }
}

impl fmt::Debug for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("End")
            .field("events", &self.events)
            .field("held", &self.held)
            .field("link", &self.link)
            .finish_non_exhaustive()
    }
}

/// Two connections with a link between them.
#[derive(Debug)]
pub struct Pair {
    /// The side that opened the stream.
    pub dialler: End,
    /// The side that accepted it.
    pub listener: End,
    /// Whether input comes byte by byte, with spurious calls in between and outdated times. The
    /// results must not change.
    pub varied: bool,
    start: Instant,
    now: Instant,
}

impl Pair {
    /// Creates a pair with a link without faults.
    #[must_use]
    pub fn new(dialler: Config, listener: Config) -> Self {
        let now = Instant::now();
        Self {
            dialler: End::new(dialler, Side::Dialler, now),
            listener: End::new(listener, Side::Listener, now),
            varied: false,
            start: now,
            now,
        }
    }

    /// Returns the virtual time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Returns the time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// Returns the end on `side`.
    pub const fn end(&mut self, side: Side) -> &mut End {
        match side {
            Side::Dialler => &mut self.dialler,
            Side::Listener => &mut self.listener,
        }
    }

    /// Makes a call from `side`. The contexts of a side's calls count up from 0.
    ///
    /// # Errors
    /// The call is rejected.
    pub fn call(
        &mut self,
        side: Side,
        content: impl Serialize,
        options: CallOptions,
    ) -> Result<CallId, Refused<u64>> {
        let (now, varied) = (self.now, self.varied);
        let end = self.end(side);
        end.tell(now, varied);
        end.next_ctx += 1;
        end.connection.call(end.told, &content, options, end.next_ctx - 1)
    }

    /// Cancels a call of `side`.
    pub fn cancel(&mut self, side: Side, id: CallId) -> Option<u64> {
        let (now, varied) = (self.now, self.varied);
        let end = self.end(side);
        end.tell(now, varied);
        end.connection.cancel(end.told, id)
    }

    /// Answers the request that `side` has held for the longest time.
    ///
    /// # Panics
    /// `side` holds no request.
    pub fn answer(&mut self, side: Side, reaction: Reaction) {
        let (now, varied) = (self.now, self.varied);
        let end = self.end(side);
        end.tell(now, varied);
        let request = end.held.remove(0);
        end.react(now, request.token, reaction);
    }

    /// Ends the stream from `side` to the other one. The other direction stays open.
    pub fn half_close(&mut self, side: Side) {
        let now = self.now;
        self.end(side).link.send(now, Piece::Eof);
    }

    /// Processes the next event, unless only heartbeats are left. Time passes if no event is due.
    /// Returns whether an event was processed.
    ///
    /// # Panics
    /// A connection requested a needless wake-up.
    pub fn step(&mut self) -> bool {
        if self.turn() {
            return true;
        }
        let quiet = self.dialler.is_quiet() && self.listener.is_quiet();
        let Some(next) = self.next_event().filter(|_| !quiet) else {
            return false;
        };
        assert!(next > self.now, "something was due and has not happened");
        self.now = next;
        assert!(self.turn(), "nothing happened when something was due");
        true
    }

    /// Processes events until none is left.
    ///
    /// # Panics
    /// The events do not end.
    pub fn drive(&mut self) {
        assert!((0..MAX_STEPS).any(|_| !self.step()), "the events do not end: {self:?}");
    }

    /// Processes all events within `time`.
    ///
    /// # Panics
    /// The events do not end.
    pub fn run_for(&mut self, time: Duration) {
        let until = self.now + time;
        let quiet = (0..MAX_STEPS).any(|_| {
            !self.turn()
                && match self.next_event().filter(|at| *at <= until) {
                    Some(next) => {
                        self.now = next;
                        false
                    }
                    None => true,
                }
        });
        assert!(quiet, "the events do not end: {self:?}");
        self.now = until;
    }

    fn next_event(&self) -> Option<Instant> {
        let dialler = self.dialler.next_event(&self.listener);
        dialler.into_iter().chain(self.listener.next_event(&self.dialler)).min()
    }

    /// Processes one event on either side, at this time.
    fn turn(&mut self) -> bool {
        let (now, varied) = (self.now, self.varied);
        let a = Self::turn_of(&mut self.dialler, &mut self.listener, now, varied);
        let b = Self::turn_of(&mut self.listener, &mut self.dialler, now, varied);
        a || b
    }

    fn turn_of(end: &mut End, other: &mut End, now: Instant, varied: bool) -> bool {
        end.tell(now, varied);
        if end.poll_event(now) || end.write(now) {
            return true;
        }
        if end.arrival(other).is_some_and(|at| at <= now)
            && let Some((_, piece)) = other.link.travelling.pop_front()
        {
            end.receive(piece, varied);
            return true;
        }
        end.wake(now)
    }
}
