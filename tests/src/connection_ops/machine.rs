//! Runs the operations, and checks their results.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aiomas_core::connection::{
    CallError, CallId, CallOptions, CallRejected, CancelCause, Close, CloseReason, Config,
    Connection, Event, Limits, Negotiate, Progress, Request, RequestId, Side, TimeoutReason,
};
use aiomas_core::wire::{Codec, Format, RemoteError};
use bytes::{Buf, BytesMut};
use serde_json::json;

use super::{DEADLINES, IDS, Op, ScriptedRuntime, Trace, Variation};
use crate::message;

/// A call in flight.
#[derive(Debug)]
struct Call {
    ctx: u64,
    deadline: Option<Instant>,
}

/// A value that cannot be encoded.
struct Unencodable;

impl serde::Serialize for Unencodable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("unencodable"))
    }
}

#[derive(Debug)]
pub(super) struct Machine {
    connection: Connection<u64>,
    limits: Limits,
    format: Format,
    variation: Variation,
    start: Instant,
    /// The true time, and the latest time passed to the connection.
    clock: Instant,
    told: Instant,
    back: Duration,
    /// All accepted calls, and those that have not ended.
    calls: Vec<CallId>,
    in_flight: BTreeMap<CallId, Call>,
    next_ctx: u64,
    requests: Vec<Request>,
    /// The cancelled calls in flight, and the number of all cancelled calls.
    cancelled: BTreeSet<RequestId>,
    cancellations: u64,
    /// The extensions in the peer's Hello.
    extensions: &'static [&'static str],
    /// Bytes on their way to the connection, not parsed yet.
    stream: BytesMut,
    input: BytesMut,
    unwritten: usize,
    blocked: bool,
    closing: bool,
    closed: Option<CloseReason>,
    /// Whether this operation may end calls by timeout.
    waking: bool,
    pub(super) trace: Trace,
}

impl Machine {
    pub(super) fn new(script: &mut ScriptedRuntime<'_>, variation: Variation) -> Self {
        let setup = script.byte();
        let codec = if setup & 1 == 0 { Codec::Json } else { Codec::MsgPack };
        let side = if setup & 2 == 0 { Side::Dialler } else { Side::Listener };
        let mut config = Config::new(codec);
        if setup & 4 != 0 {
            config.negotiate = Negotiate::Hello { base: codec, offer: vec![Codec::MsgPack] };
        }
        if setup & 8 != 0 {
            config.limits.idle = Some(Duration::from_millis(300));
        }
        if setup & 16 != 0 {
            config.limits.first_frame = Some(Duration::from_millis(150));
        }
        if setup & 32 != 0 {
            config.limits.progress = Some(Progress::new(Duration::from_millis(100), 100));
        }
        let extensions: &[_] =
            if setup & 64 != 0 { &["cancel", "deadline", "heartbeat"] } else { &[] };
        config.extensions.deadline = setup & 128 == 0;
        // Compressed messages have tests of their own.
        config.accept = vec![Codec::Json, Codec::MsgPack];
        config.limits.handshake = Duration::from_millis(200);
        config.linger = Duration::from_millis(100);
        config.limits.max_frame = 200;
        config.limits.max_calls_out = 5;
        config.limits.max_calls_in = 4;
        config.limits.max_input_bytes = 300;
        config.limits.output_high = 500;
        config.limits.output_cap = 1500;
        config.limits.send_timeout = Some(Duration::from_millis(250));
        let limits = config.limits.clone();
        // Far enough from the smallest `Instant` to go back.
        let start = Instant::now() + Duration::from_secs(3600);
        let connection = Connection::new(Arc::new(config), side, start);
        Self {
            connection,
            limits,
            format: codec.format(),
            variation,
            start,
            clock: start,
            told: start,
            back: Duration::ZERO,
            calls: Vec::new(),
            in_flight: BTreeMap::new(),
            next_ctx: 0,
            requests: Vec::new(),
            cancelled: BTreeSet::new(),
            cancellations: 0,
            extensions,
            stream: BytesMut::new(),
            input: BytesMut::new(),
            unwritten: 0,
            blocked: false,
            closing: false,
            closed: None,
            waking: false,
            trace: Trace::default(),
        }
    }

    /// Returns the next time to pass to the connection.
    fn now(&mut self) -> Instant {
        let mut now = self.clock - std::mem::take(&mut self.back);
        self.told = self.told.max(now);
        if self.variation.clamped {
            now = self.told;
        }
        now
    }

    fn log(&mut self, what: impl std::fmt::Debug) {
        self.trace.log.push(format!("{what:?}"));
    }

    pub(super) fn apply(&mut self, op: &Op) {
        self.waking = false;
        match op {
            Op::Call { timeout, size } => self.call(*timeout, *size),
            Op::CallBadly => {
                let now = self.now();
                let open = !self.closing && self.in_flight.len() < self.limits.max_calls_out;
                let room = self.unwritten < self.limits.output_high;
                let refused = self.connection.call(now, &Unencodable, CallOptions::default(), 7);
                let refused = refused.expect_err("not encodable");
                assert_eq!(refused.ctx, 7);
                assert_eq!(
                    matches!(refused.why, CallRejected::Codec(_)),
                    open && room,
                    "{refused:?}"
                );
                self.blocked |= open && !room;
            }
            Op::Abandon { nth } => {
                if let Some(id) = self.nth_last_call(*nth) {
                    let expected = self.in_flight.remove(&id).map(|call| call.ctx);
                    let before = self.connection.stats().frames_out;
                    let room = self.unwritten + 64 <= self.limits.output_cap;
                    let tells = self.connection.extensions().cancel && expected.is_some() && room;
                    let now = self.now();
                    assert_eq!(self.connection.cancel(now, id), expected, "T4");
                    let sent = self.connection.stats().frames_out - before;
                    assert_eq!(sent, u64::from(tells), "a cancellation");
                }
            }
            Op::Reply { nth, size } => self.answer(*nth, |connection, now, request| {
                connection.reply(now, request.token, &"r".repeat(*size))
            }),
            Op::ReplyBadly { nth } => self.answer(*nth, |connection, now, request| {
                connection.reply(now, request.token, &Unencodable)
            }),
            Op::Fail { nth, size } => self.answer(*nth, |connection, now, request| {
                connection.fail(now, request.token, &RemoteError::new("E", "\u{1}".repeat(*size)))
            }),
            Op::Ignore { nth } => {
                if *nth < self.requests.len() {
                    let request = self.requests.remove(*nth);
                    self.cancelled.remove(&request.token.request());
                    let now = self.now();
                    self.connection.discard(now, request.token);
                }
            }
            Op::Close(how) => {
                let now = self.now();
                self.connection.close(now, *how);
                self.closing = true;
            }
            Op::PeerRequest { id, size } => {
                let id: serde_json::Value = serde_json::from_str(IDS[*id]).expect("JSON");
                self.peer(message::REQUEST, id, "q".repeat(*size));
            }
            Op::PeerRequestUntil { id, size } => {
                let id: serde_json::Value = serde_json::from_str(IDS[*id]).expect("JSON");
                let content = "q".repeat(*size);
                if !self.connection.extensions().deadline {
                    return self.peer(message::REQUEST, id, content);
                }
                let options = match DEADLINES.get(size % 16) {
                    Some(millis) => json!({"deadline": millis * 1000, "colour": null}),
                    None if size % 2 == 0 => json!({"deadline": -1}),
                    None => json!({"deadline": 0.5}),
                };
                self.peer(message::DEADLINE, id, (options, content));
            }
            Op::PeerCancel { id } => {
                let id: serde_json::Value = serde_json::from_str(IDS[*id]).expect("JSON");
                if self.connection.extensions().cancel {
                    self.peer(message::CANCEL, id, ());
                }
            }
            Op::PeerAnswer { nth, failure } => {
                if let Some(id) = self.nth_last_call(*nth) {
                    let kind = if *failure { message::FAILURE } else { message::RESULT };
                    self.peer(kind, id.get(), id.get());
                }
            }
            Op::PeerAnswerUnknown => self.peer(message::RESULT, u64::MAX, 0),
            Op::PeerHello => {
                let hello = json!({
                    "version": 1, "codecs": ["msgpack"], "max_frame": 1 << 20,
                    "extensions": self.extensions,
                });
                match self.connection.side() {
                    Side::Dialler => self.peer(message::RESULT, 0, hello),
                    Side::Listener => {
                        self.peer(message::REQUEST, 0, ("$hello", (hello,), json!({})))
                    }
                }
            }
            Op::PeerExtension => self.peer(9, 0, "?"),
            Op::PeerHeartbeat { id } => {
                if self.connection.extensions().heartbeat {
                    self.peer(message::HEARTBEAT, id, ());
                }
            }
            Op::PeerBytes(bytes) => self.stream.extend_from_slice(bytes),
            Op::Arrive { count } => self.arrive(*count),
            Op::ArriveAll => self.arrive(self.stream.len()),
            // The end follows all frames.
            Op::Eof if !self.connection.wants_read() && !self.closing => {}
            Op::Eof => {
                let now = self.now();
                self.connection.handle_eof(now, self.input.len());
                self.closing = true;
            }
            Op::Lost => {
                let now = self.now();
                self.connection.handle_lost(now, ErrorKind::ConnectionReset);
                self.closing = true;
            }
            Op::Transmitted { count } => {
                let now = self.now();
                self.connection.handle_transmitted(now, *count);
                self.unwritten = self.unwritten.saturating_sub(*count);
            }
            Op::Pass(time) => self.clock += *time,
            Op::Back(time) => self.back = *time,
            Op::Timeout => self.wake(),
            Op::NextTimeout => {
                if let Some(at) = self.connection.poll_timeout() {
                    self.clock = self.clock.max(at);
                    self.back = Duration::ZERO;
                    self.wake();
                }
            }
        }
    }

    fn call(&mut self, timeout: Option<Duration>, size: usize) {
        let now = self.now();
        let options = timeout.map_or_else(CallOptions::default, CallOptions::timeout);
        let before = self.connection.stats();
        let expected = if self.closing {
            Some("Closed")
        } else if self.in_flight.len() >= self.limits.max_calls_out {
            Some("TooManyCalls")
        } else if self.unwritten >= self.limits.output_high {
            self.blocked = true;
            Some("OutputFull")
        } else {
            None
        };
        self.next_ctx += 1;
        let ctx = self.next_ctx;
        match self.connection.call(now, &"c".repeat(size), options, ctx) {
            Ok(id) => {
                assert_eq!(expected, None, "the call was to be refused");
                assert!(self.calls.last() < Some(&id), "ids count up");
                assert_eq!(self.connection.stats().frames_out, before.frames_out + 1);
                self.calls.push(id);
                let deadline = timeout.map(|timeout| self.told + timeout);
                self.in_flight.insert(id, Call { ctx, deadline });
            }
            Err(refused) => {
                assert_eq!(refused.ctx, ctx);
                let why = format!("{:?}", refused.why);
                match expected {
                    Some(expected) => assert!(why.starts_with(expected), "{why}"),
                    None => assert!(why.starts_with("TooLong"), "{why}"),
                }
                self.log(refused);
            }
        }
    }

    fn nth_last_call(&self, nth: usize) -> Option<CallId> {
        self.calls.iter().rev().nth(nth).copied()
    }

    fn answer(
        &mut self,
        nth: usize,
        answer: impl FnOnce(&mut Connection<u64>, Instant, Request) -> Result<(), CallRejected>,
    ) {
        if nth < self.requests.len() {
            let now = self.now();
            let request = self.requests.remove(nth);
            let cancelled = self.cancelled.remove(&request.token.request());
            let before = self.connection.stats().frames_out;
            let result = answer(&mut self.connection, now, request);
            if cancelled && self.closed.is_none() {
                assert_eq!(result, Err(CallRejected::Cancelled));
                assert_eq!(
                    self.connection.stats().frames_out,
                    before,
                    "the request has been cancelled"
                );
            }
            self.log(result);
        }
    }

    fn peer(&mut self, kind: u64, id: impl serde::Serialize, content: impl serde::Serialize) {
        let message = message::message(self.format, kind, id, content);
        self.stream.extend_from_slice(&message);
    }

    fn arrive(&mut self, count: usize) {
        let now = self.now();
        let mut arriving = self.stream.split_to(count.min(self.stream.len()));
        let piece = if self.variation.bytewise { 1 } else { arriving.len() };
        loop {
            self.input.extend_from_slice(&arriving.split_to(piece.min(arriving.len())));
            self.connection.handle_input(now, &mut self.input);
            if arriving.is_empty() {
                return;
            }
        }
    }

    /// Passes deferred frames again. Returns whether there were any.
    fn retry(&mut self) -> bool {
        let before = self.input.len();
        self.connection.handle_input(self.told, &mut self.input);
        self.input.len() < before
    }

    fn wake(&mut self) {
        let now = self.now();
        self.waking = true;
        self.connection.handle_timeout(now);
        let next = self.connection.poll_timeout();
        assert!(next.is_none_or(|at| at > self.told), "T1: no progress");
    }

    /// Takes all outputs, and compares them with the model.
    pub(super) fn settle(&mut self) {
        self.poll();
        while self.connection.wants_read() && self.retry() {
            self.poll();
        }
        if self.variation.spurious {
            self.call_for_no_reason();
        }
        let now = self.told;
        let overdue = |call: &Call| self.waking && call.deadline.is_some_and(|at| at <= now);
        assert!(!self.in_flight.values().any(overdue), "a call has not timed out");
        assert_eq!(self.connection.calls_out(), self.in_flight.len());
        let waiting = self.connection.calls_in() - self.requests.len();
        assert!(waiting == 0 || self.connection.is_output_full(), "{waiting} wait for nothing");
        assert!(self.requests.len() <= self.limits.max_calls_in);
        let next = self.connection.poll_timeout();
        let deadline = self.in_flight.values().filter_map(|call| call.deadline).min();
        assert!(deadline.is_none_or(|at| next.is_some_and(|next| next <= at)), "{next:?}");
        let waited_for = |request: &&Request| !self.cancelled.contains(&request.token.request());
        let requests = self.requests.iter().filter(waited_for);
        let deadline = requests.filter_map(|request| request.deadline).min();
        let open = self.closed.is_none();
        assert!(!open || deadline.is_none_or(|at| next.is_some_and(|next| next <= at)), "{next:?}");
        assert!(
            !open || !self.waking || deadline.is_none_or(|at| at > now),
            "a deadline has passed"
        );
        // Calls that were still queued cause no message.
        assert!(self.connection.stats().cancelled >= self.cancellations);
        assert_eq!(next.is_some(), self.connection.timeout_reason().is_some());
        self.log(next.map(|at| at - self.start));
    }

    fn poll(&mut self) {
        let most = 2 * self.limits.max_calls_in + self.limits.max_calls_out + 4;
        for polled in 0.. {
            assert!(polled < most, "T2: no end of events");
            let Some(event) = self.connection.poll_event() else { break };
            assert_eq!(self.closed, None, "T5: {event:?} after Closed");
            self.handle(event);
        }
        for polled in 0.. {
            assert!(polled < most, "T2: no end of output");
            let Some(mut transmit) = self.connection.poll_transmit() else { break };
            assert_eq!(self.closed, None, "T5: output after Closed");
            assert!(transmit.has_remaining(), "an empty transmit");
            self.unwritten += transmit.remaining();
            self.trace.transmitted.extend_from_slice(&transmit.copy_to_bytes(transmit.remaining()));
        }
        assert!(self.connection.poll_event().is_none(), "T2: an event after none");
        assert!(self.connection.poll_transmit().is_none(), "T2: output after none");
        assert_eq!(self.connection.is_closed(), self.closed.is_some(), "T5");
        if self.closed.is_some() {
            assert_eq!(self.connection.poll_timeout(), None, "T5: a timeout after Closed");
            assert!(self.in_flight.is_empty(), "T4: {:?} never ended", self.in_flight);
        } else {
            let queued = self.connection.stats().bytes_out;
            assert_eq!(queued, self.trace.transmitted.len() as u64, "T1: hidden output");
            let Limits { output_cap, max_calls_in, max_frame, .. } = self.limits;
            assert!(self.unwritten <= output_cap + max_calls_in * (max_frame + 4));
        }
    }

    fn handle(&mut self, event: Event<u64>) {
        match &event {
            // Relative to the start, so that traces of different runs are equal.
            Event::Request(Request { token, content, deadline, .. }) => {
                let after = deadline.map(|at| at - self.start);
                let until = after.map_or_else(String::new, |after| format!("until {after:?} "));
                self.trace.log.push(format!("Request({until}{token:?} {content:?})"));
            }
            event => self.log(event),
        }
        match event {
            Event::Cancelled { request, cause } => {
                let found = self.requests.iter().find(|other| other.token.request() == request);
                let found = found.expect("a request that has been answered");
                assert!(found.token.is_cancellable());
                let due = found.deadline.is_some_and(|at| at <= self.told);
                match cause {
                    CancelCause::Deadline => assert!(due && self.waking, "not yet"),
                    _ => assert!(self.connection.extensions().cancel),
                }
                assert!(self.cancelled.insert(request), "the request is cancelled twice");
                self.cancellations += 1;
            }
            Event::Answer { id, ctx, result } => {
                let call = self.in_flight.remove(&id).expect("T4: it has ended already");
                assert_eq!(call.ctx, ctx, "T4: not its context");
                match result {
                    // The peer may have answered it as if it were Hello.
                    Ok(content) if id.get() == 0 && content.decode::<u64>().is_err() => {}
                    Ok(content) => assert_eq!(content.decode::<u64>(), Ok(id.get())),
                    Err(error) => {
                        let due = call.deadline.is_some_and(|at| at <= self.told);
                        let timed_out = matches!(error, CallError::TimedOut { .. });
                        assert!(!timed_out || self.waking, "timed out without being woken");
                        assert!(!self.waking || timed_out == due, "{error} (due: {due})");
                    }
                }
            }
            Event::Request(request) => self.requests.push(request),
            Event::Writable => {
                assert!(self.blocked, "the request has been cancelled");
                assert!(self.unwritten <= self.limits.output_high / 2);
                self.blocked = false;
            }
            Event::Closed { reason } => {
                if let CloseReason::TimedOut(what) = reason {
                    assert!(self.waking && what != TimeoutReason::Call, "closed by its clock");
                }
                self.closed = Some(reason);
                self.closing = true;
            }
            _ => {}
        }
    }

    /// Checks T8 and T1: no work is left at this time.
    fn call_for_no_reason(&mut self) {
        let (stats, in_flight) = (self.connection.stats(), self.connection.calls_out() as u64);
        let ended = stats.results_in + stats.failures_in + stats.unanswered;
        assert_eq!(stats.requests_out, ended + in_flight, "{stats:?}");
        assert!(stats.results_out + stats.failures_out <= stats.requests_in, "{stats:?}");
        let state = |connection: &Connection<u64>| {
            (connection.stats(), connection.poll_timeout(), connection.codec())
        };
        let (now, before) = (self.told, state(&self.connection));
        if before.1.is_none_or(|at| at > now) {
            self.connection.handle_timeout(now);
            self.connection.handle_timeout(now - Duration::from_secs(1));
        }
        self.connection.handle_input(now, &mut BytesMut::new());
        self.connection.handle_transmitted(now, 0);
        if self.closed.is_some() {
            self.connection.handle_eof(now, 3);
            self.connection.handle_lost(now, ErrorKind::BrokenPipe);
            self.connection.close(now, Close::AfterFlush);
        }
        assert!(self.connection.poll_event().is_none(), "T8: an event");
        assert!(self.connection.poll_transmit().is_none(), "T8: output");
        assert_eq!(state(&self.connection), before, "T8");
    }

    pub(super) fn check_closed(&mut self) {
        assert!(self.closed.is_some(), "T5: never closed");
        let now = self.now();
        let refused = self.connection.call(now, "x", CallOptions::default(), 1);
        assert_eq!(refused.expect_err("T5: a call after Closed").why, CallRejected::Closed);
        for request in std::mem::take(&mut self.requests) {
            let refused = self.connection.reply(now, request.token, "x");
            assert_eq!(refused, Err(CallRejected::Closed), "T5: a reply after Closed");
        }
        self.arrive(self.stream.len());
        self.wake();
        self.settle();
    }
}
