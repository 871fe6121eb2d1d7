//! Two connections, and a link between them that is as bad as a test wants it.
//!
//! Time is virtual: it jumps to the next thing that happens. Everything runs in one thread, and the same
//! way each time.

use std::collections::VecDeque;
use std::fmt;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aiomas_core::connection::{
    CallError, CallId, CallOptions, CloseReason, Config, Connection, Event, Refused, ReplyToken,
    Request, Side, TimeoutReason, Transmit,
};
use aiomas_core::wire::{Payload, RemoteError};
use bytes::{Buf, Bytes, BytesMut};
use serde::Serialize;
use serde_json::Value;

/// A time that is told although it is over goes back this far.
pub(crate) const LONG_AGO: Duration = Duration::from_secs(1);

/// More steps than any test needs.
const MAX_STEPS: usize = 1_000_000;

/// What is done about a request.
#[derive(Clone, Debug)]
pub enum Reaction {
    /// The result is sent.
    Reply(Value),
    /// The failure is sent.
    Fail(RemoteError),
    /// The reaction follows after this long.
    After(Duration, Box<Self>),
    /// The request is kept in [`End::held`] for the test.
    Hold,
    /// It is never answered.
    Ignore,
}

impl Reaction {
    /// Sends the request's content back.
    #[must_use]
    pub fn echo(request: &Request) -> Self {
        match request.content.decode() {
            Ok(value) => Self::Reply(value),
            Err(error) => Self::Fail(RemoteError::value_error(error)),
        }
    }
}

/// Decides on a reaction to each request.
pub type Handler = Box<dyn FnMut(&Request) -> Reaction>;

/// How the bytes of a link are cut into pieces.
#[derive(Clone, Debug)]
pub enum Cuts {
    /// Not at all.
    Whole,
    /// Into pieces of these sizes, over and over.
    Sizes(Vec<usize>),
    /// Into pieces of random sizes. The seed must not be 0.
    Seed(u64),
}

impl Cuts {
    /// The size of the next piece of `all` bytes: at least 1.
    pub(crate) fn next(&mut self, all: usize) -> usize {
        let size = match self {
            Self::Whole => all,
            Self::Sizes(sizes) => {
                sizes.rotate_left(1);
                sizes.last().copied().unwrap_or(all)
            }
            Self::Seed(state) => {
                // xorshift; small pieces are more telling than large ones.
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                *state as usize % (1 << (*state >> 32 & 7))
            }
        };
        size.clamp(1, all.max(1))
    }
}

/// How a link ends.
#[derive(Clone, Copy, Debug)]
pub enum Cut {
    /// The receiver sees the end of the stream.
    Eof,
    /// Both sides see a broken stream.
    Reset,
}

/// One direction.
#[derive(Debug)]
pub struct Link {
    /// How long each byte travels.
    pub latency: Duration,
    /// How the bytes are cut up.
    pub cuts: Cuts,
    /// Whether the receiver does not read.
    pub stalled: bool,
    /// Cut it when this many bytes in all have been written.
    pub cut_after: Option<(usize, Cut)>,
    /// All bytes that have been written.
    pub written: Vec<u8>,
    writing: Option<Transmit>,
    travelling: VecDeque<(Instant, Piece)>,
    over: bool,
}

#[derive(Debug)]
enum Piece {
    Bytes(Bytes),
    Eof,
    Reset,
}

impl Link {
    fn new() -> Self {
        Self {
            latency: Duration::ZERO,
            cuts: Cuts::Whole,
            stalled: false,
            cut_after: None,
            written: Vec::new(),
            writing: None,
            travelling: VecDeque::new(),
            over: false,
        }
    }

    fn send(&mut self, now: Instant, piece: Piece) {
        self.over |= !matches!(piece, Piece::Bytes(_));
        self.travelling.push_back((now + self.latency, piece));
    }

    fn arrival(&self) -> Option<Instant> {
        self.travelling.front().map(|(at, _)| *at).filter(|_| !self.stalled)
    }
}

/// One side, and the link from it to the other one.
pub struct End {
    /// The state machine.
    pub connection: Connection<u64>,
    /// What has happened, but for requests.
    pub events: Vec<Event<u64>>,
    /// Requests that nobody has answered yet.
    pub held: Vec<Request>,
    /// What is done about requests. At first they are echoed.
    pub handler: Handler,
    /// To the other side.
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

    /// How the call `id` has ended, if it has.
    #[must_use]
    pub fn answer(&self, id: CallId) -> Option<&Result<Payload, CallError>> {
        self.events.iter().find_map(|event| match event {
            Event::Answer { id: ended, result, .. } if *ended == id => Some(result),
            _ => None,
        })
    }

    /// The result of the call `id`.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn result(&self, id: CallId) -> Value {
        let answer = self.answer(id).expect("the call has ended");
        answer.as_ref().expect("a result").decode().expect("a value")
    }

    /// The failure of the call `id`.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn failure(&self, id: CallId) -> &CallError {
        self.answer(id).expect("the call has ended").as_ref().expect_err("a failure")
    }

    /// Why the connection is closed, if it is.
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

    /// When the next piece comes from the other side, if it is to be read now.
    fn arrival(&self, other: &Self) -> Option<Instant> {
        let over = self.ended || self.connection.is_closed();
        other.link.arrival().filter(|_| over || self.connection.wants_read())
    }

    /// Whether nothing will happen but heartbeats, which have no end.
    fn is_quiet(&self) -> bool {
        let beats = matches!(
            self.connection.timeout_reason(),
            None | Some(TimeoutReason::Heartbeat { .. })
        );
        beats && self.link.arrival().is_none() && self.later.is_empty()
    }

    fn react(&mut self, now: Instant, token: ReplyToken, reaction: Reaction) {
        // The connection may have closed in the meantime, and it may find the result too long.
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
                // Whatever was to be done about it ends.
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
            // Its owner closes the stream.
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

    /// What the connection is told from now on: if `varied`, calls for no reason and then a time that is over.
    fn tell(&mut self, now: Instant, varied: bool) {
        self.told = now;
        // What could not be taken before may be now.
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

    /// What has become due.
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
    /// Whether input comes byte by byte, calls for no reason come in between, and times that are told are over.
    /// It makes no difference.
    pub varied: bool,
    start: Instant,
    now: Instant,
}

impl Pair {
    /// A pair on a good link.
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

    /// The time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// The time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now - self.start
    }

    /// The end on `side`.
    pub const fn end(&mut self, side: Side) -> &mut End {
        match side {
            Side::Dialler => &mut self.dialler,
            Side::Listener => &mut self.listener,
        }
    }

    /// Makes a call from `side`. The contexts of a side's calls count up from 0.
    ///
    /// # Errors
    /// The call is refused.
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

    /// Lets one side give a call up.
    pub fn cancel(&mut self, side: Side, id: CallId) -> Option<u64> {
        let (now, varied) = (self.now, self.varied);
        let end = self.end(side);
        end.tell(now, varied);
        end.connection.cancel(end.told, id)
    }

    /// Answers the request that `side` has held for the longest time.
    ///
    /// # Panics
    /// If it holds none.
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

    /// Lets the next thing happen, unless only heartbeats are left. Time passes if nothing can happen now. Returns whether
    /// anything happened.
    ///
    /// # Panics
    /// If a connection asked to be woken for nothing.
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

    /// Lets everything happen that will.
    ///
    /// # Panics
    /// If there is no end to it.
    pub fn drive(&mut self) {
        assert!((0..MAX_STEPS).any(|_| !self.step()), "no end of it: {self:?}");
    }

    /// Lets everything happen that does so within `time`.
    ///
    /// # Panics
    /// If there is no end to it.
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
        assert!(quiet, "no end of it: {self:?}");
        self.now = until;
    }

    fn next_event(&self) -> Option<Instant> {
        let dialler = self.dialler.next_event(&self.listener);
        dialler.into_iter().chain(self.listener.next_event(&self.dialler)).min()
    }

    /// One thing on either side, at this time.
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
