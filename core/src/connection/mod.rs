//! One byte stream: requests, answers, deadlines, limits, Hello, closing.

mod admission;
mod command;
mod config;
mod event;
mod extension;
mod flow;
mod hello;
mod inbound;
mod limit_exceeded;
mod limits;
mod liveness;
mod log_rate;
mod outbox;
mod packed;
mod patience;
mod pending;
mod requests;
mod stats;
mod tls;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

pub use admission::{Admission, AdmissionStats, Admitted, NotAdmitted};
pub use config::{CallOptions, Config, Extensions, Negotiate, Side};
pub use event::{
    CallError, CallId, CallRejected, CancelCause, Close, CloseReason, Event, Refused, ReplyToken,
    Request, RequestId, TimeoutReason,
};
pub use limit_exceeded::{Direction, LimitExceeded};
pub use limits::{FailureText, Limits, Progress, Unpacking};
pub use log_rate::LogRate;
pub use outbox::Transmit;
pub use stats::Stats;
pub use tls::TlsError;

#[doc(hidden)]
pub use event::unanswered;
#[doc(hidden)]
pub use inbound::Step;
#[doc(hidden)]
pub use log_rate::LogRates;
#[doc(hidden)]
pub use packed::{Packed, Unpacked};
pub(crate) use pending::Pending;

use crate::wire::{Codec, CodecContext, Deframer};
use event::Due;
use liveness::Liveness;
use outbox::Outbox;
use patience::Beginning;
use requests::Requests;

/// One end of a byte stream as a state machine: requests and answers in both directions.
///
/// It does no I/O and reads no clock. Its owner moves the bytes and passes the time:
///
/// - **inputs**: [`handle_input`](Self::handle_input) (or [`handle_frame`](Self::handle_frame)),
///   [`handle_eof`](Self::handle_eof), [`handle_lost`](Self::handle_lost),
///   [`handle_transmitted`](Self::handle_transmitted), [`handle_timeout`](Self::handle_timeout);
/// - **commands**: [`call`](Self::call) and its variants, [`cancel`](Self::cancel),
///   [`answer`](Self::answer) and its variants, [`close`](Self::close);
/// - **outputs**, to be polled after any input or command, in any order, until they return `None`:
///   [`poll_transmit`](Self::poll_transmit), [`poll_event`](Self::poll_event), and then
///   [`poll_timeout`](Self::poll_timeout).
///
/// `X` is the owner's context of a call: a reply slot, a closure, a number. It is kept with the call and
/// returned with [`Event::Answer`].
///
/// # Contract
///
/// - **T1, no hidden output.** All effects of an input or a command can be polled at once.
///   `poll_timeout` concerns the future only; if it returns `t`, then `handle_timeout(t)` makes progress.
/// - **T2, quiescence.** Without input the polls return `None` after finitely many calls, and stay so.
/// - **T3, time does not go back.** A `now` before the last one counts as the last one.
/// - **T4, one end per call.** Each accepted call ends in exactly one [`Event::Answer`], or in one
///   [`cancel`](Self::cancel) that returns its context.
/// - **T5, closed once.** [`Event::Closed`] comes exactly once and last. From then on commands are
///   rejected and there is nothing to transmit.
/// - **T6, independent of splits.** The same input gives the same events, however it is split.
/// - **T7, determinism.** Same inputs, same outputs, byte for byte.
/// - **T8, spurious calls are harmless.** `handle_timeout` too early and empty input change nothing.
///
/// # A full output
///
/// From [`Limits::output_high`] bytes on, our calls are rejected, and [`Event::Request`] waits for room. Answers and
/// cancellations are still read. When as many requests wait as [`Limits`] allow, [`wants_read`](Self::wants_read)
/// is false. A peer that reads nothing for [`Limits::send_timeout`] is disconnected.
///
/// # Example
///
/// ```
/// use aiomas_core::connection::{Config, Connection, Event, Side};
/// use bytes::{Buf, BytesMut};
/// use std::{sync::Arc, time::Instant};
///
/// let (config, now) = (Arc::new(Config::default()), Instant::now());
/// let mut client = Connection::<&str>::new(config.clone(), Side::Dialler, now);
/// let mut server = Connection::<()>::new(config, Side::Listener, now);
///
/// client.call(now, &"ping", Default::default(), "context").unwrap();
/// let mut sent = client.poll_transmit().unwrap();
/// server.handle_input(now, &mut BytesMut::from(&sent.copy_to_bytes(sent.remaining())[..]));
///
/// let request = std::iter::from_fn(|| server.poll_event())
///     .find_map(|event| match event { Event::Request(request) => Some(request), _ => None })
///     .unwrap();
/// assert_eq!(request.content.decode::<String>().unwrap(), "ping");
/// server.reply(now, request.token, &"pong").unwrap();
/// let mut sent = server.poll_transmit().unwrap();
/// client.handle_input(now, &mut BytesMut::from(&sent.copy_to_bytes(sent.remaining())[..]));
///
/// let answer = std::iter::from_fn(|| client.poll_event())
///     .find_map(|event| match event { Event::Answer { ctx, result, .. } => Some((ctx, result)), _ => None })
///     .unwrap();
/// assert_eq!(answer.0, "context");
/// assert_eq!(answer.1.unwrap().decode::<String>().unwrap(), "pong");
/// ```
#[derive(Debug)]
pub struct Connection<X> {
    config: Arc<Config>,
    side: Side,
    state: State,
    /// The latest time we received.
    now: Instant,
    /// The codec that we write.
    codec: Codec,
    /// Whether `codec` follows the codec of the peer's messages.
    follows: bool,
    /// The peer has closed its side.
    eof: bool,
    codec_context: CodecContext,
    deframer: Deframer,
    outbox: Outbox,
    events: VecDeque<Event<X>>,
    /// Requests that wait for output, or are held; younger than all polled ones. Separate from `events`, since
    /// answers and cancellations must overtake them: a peer that does not read must still be able to answer.
    waiting: VecDeque<Request>,
    /// See [`hold_requests`](Self::hold_requests).
    held: bool,
    backlog: bool,
    /// The size in bytes of the request that waits in the input.
    stuck: Option<usize>,
    pending: Pending<X>,
    /// Unanswered requests of the peer, and their bytes.
    calls_in: usize,
    input_bytes: usize,
    /// The requests of these that may be cancelled, or have a deadline.
    requests: Requests,
    /// The extensions that Hello agreed on, and our first call that may use them.
    extensions: Extensions,
    extended_from: u64,
    /// Requests that were discarded while they waited. Their cancellations may still be among the events.
    unseen: BTreeSet<u64>,
    /// Our Hello, if it was not answered before the connection began to drain.
    late_hello: Option<u64>,
    /// The minimum of our limit and the peer's.
    max_calls_out: usize,
    max_frame_out: usize,
    /// A call was rejected because of the full output; `Writable` is owed.
    blocked: bool,
    /// Since when the output is full, or when the last byte was written.
    full_since: Option<Instant>,
    unpacking: packed::Meter,
    opened: Instant,
    /// When the last whole frame arrived, byte was written, or call ended.
    last_moved: Instant,
    beginning: Beginning,
    liveness: Liveness,
    /// Whether a silent peer is disconnected.
    hurries: bool,
    stats: Stats,
    /// For codecs that write a whole message elsewhere first.
    scratch: Vec<u8>,
}

#[derive(Debug)]
enum State {
    /// Waiting for the answer to our Hello.
    Opening {
        hello: u64,
        until: Instant,
    },
    Open,
    /// No new calls. Closes when all calls are answered (if `answers`) and all output is written.
    Draining {
        until: Option<Instant>,
        reason: CloseReason,
        answers: bool,
    },
    Closed(CloseReason),
}

impl<X> Connection<X> {
    /// Creates the connection of a newly opened stream.
    #[must_use]
    pub fn new(config: Arc<Config>, side: Side, now: Instant) -> Self {
        let limits = &config.limits;
        let mut connection = Self {
            side,
            state: State::Open,
            now,
            codec: config.negotiate.base(),
            follows: side == Side::Listener,
            eof: false,
            codec_context: CodecContext::new(config.types.clone(), limits.budget).guarded(true),
            deframer: Deframer::new(limits.max_frame),
            outbox: Outbox::default(),
            events: VecDeque::new(),
            waiting: VecDeque::new(),
            held: false,
            backlog: false,
            stuck: None,
            pending: Pending::new(),
            calls_in: 0,
            input_bytes: 0,
            requests: Requests::new(),
            extensions: Extensions::NONE,
            extended_from: 0,
            unseen: BTreeSet::new(),
            late_hello: None,
            max_calls_out: limits.max_calls_out,
            max_frame_out: limits.max_frame.min(u32::MAX as usize),
            blocked: false,
            full_since: None,
            unpacking: packed::Meter::new(now),
            opened: now,
            last_moved: now,
            hurries: limits.first_frame.is_some() || limits.idle.is_some(),
            beginning: Beginning { frame: 0, since: now, received: 0 },
            liveness: Liveness::new(now),
            stats: Stats::default(),
            scratch: Vec::new(),
            config,
        };
        if !connection.say_hello() {
            connection.events.push_back(Event::Open { codec: connection.codec });
        }
        connection
    }

    /// Returns the codec context of the stream, in which its content is encoded.
    #[must_use]
    pub const fn codec_context(&self) -> &CodecContext {
        &self.codec_context
    }

    /// Replaces the codec context, for content that is decoded from now on.
    ///
    /// For owners that set the [peer](CodecContext::with_peer) of decoded values.
    pub fn set_codec_context(&mut self, codec_context: CodecContext) {
        self.codec_context = codec_context;
    }

    /// Returns the codec that we write at present.
    #[must_use]
    pub const fn codec(&self) -> Codec {
        self.codec
    }

    /// Returns the extensions that Hello has agreed on.
    #[must_use]
    pub const fn extensions(&self) -> Extensions {
        self.extensions
    }

    /// Returns the side of this end.
    #[must_use]
    pub const fn side(&self) -> Side {
        self.side
    }

    /// Returns whether [`poll_transmit`](Self::poll_transmit) has output.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        !self.outbox.is_empty()
    }

    /// Returns whether [`Event::Closed`] has been queued, or polled.
    #[must_use]
    pub const fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed(_))
    }

    /// Returns why the connection closed, once [`Event::Closed`] has been polled.
    #[must_use]
    pub fn close_reason(&self) -> Option<&CloseReason> {
        match &self.state {
            // `Closed` is the last event: while it is queued, answers may still precede it.
            State::Closed(reason) if self.events.is_empty() => Some(reason),
            _ => None,
        }
    }

    /// Returns whether calls are accepted.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, State::Open | State::Opening { .. })
    }

    /// Returns the number of our calls in flight.
    #[must_use]
    pub const fn calls_out(&self) -> usize {
        self.pending.len()
    }

    /// Returns the limits of the connection.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.config.limits
    }

    /// Returns the number of the peer's unanswered requests.
    #[must_use]
    pub const fn calls_in(&self) -> usize {
        self.calls_in
    }

    /// Returns how many bytes wait to be written, or are not yet confirmed as written.
    #[must_use]
    pub fn bytes_queued(&self) -> usize {
        self.outbox.held()
    }

    /// Returns when the connection was opened.
    #[must_use]
    pub const fn opened(&self) -> Instant {
        self.opened
    }

    /// Returns the counts of the connection's traffic.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// Returns the next bytes to write. Confirm them with [`handle_transmitted`](Self::handle_transmitted).
    #[must_use = "these bytes are not returned again"]
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        let mut transmit = Transmit::default();
        self.refill(&mut transmit).then_some(transmit)
    }

    /// As [`poll_transmit`](Self::poll_transmit), into a written `transmit`, whose memory is reused. Returns whether
    /// there was output; always false while `transmit` has bytes left.
    #[must_use = "these bytes are not returned again"]
    pub fn refill(&mut self, transmit: &mut Transmit) -> bool {
        self.outbox.take(transmit)
    }

    /// Returns when to call [`handle_timeout`](Self::handle_timeout). It changes with any input or command.
    #[must_use]
    #[inline]
    pub fn poll_timeout(&self) -> Option<Instant> {
        // Most of the time only calls have timeouts.
        let in_frame = self.beginning.frame > self.stats.frames_in;
        if matches!(self.state, State::Open)
            && !in_frame
            && !self.hurries
            && !self.extensions.deadline
            && self.full_since.is_none()
            && !self.unpacking.is_waited_for()
        {
            return self.pending.next_deadline();
        }
        self.next_timeout().map(|(at, _)| at)
    }

    /// Returns the reason of [`poll_timeout`](Self::poll_timeout).
    #[must_use]
    pub fn timeout_reason(&self) -> Option<TimeoutReason> {
        self.next_timeout().map(|(_, reason)| reason)
    }

    #[inline(never)]
    fn next_timeout(&self) -> Option<Due> {
        let call = self.pending.next_deadline().map(|at| (at, TimeoutReason::Call));
        let request = self.requests.next_deadline().map(|at| (at, TimeoutReason::Deadline));
        let state = match &self.state {
            State::Closed(_) => return None,
            State::Opening { until, .. } => {
                let after = self.config.limits.handshake;
                Some((*until, TimeoutReason::Handshake { after }))
            }
            State::Draining { until, .. } => until.map(|until| (until, TimeoutReason::Drain)),
            State::Open => None,
        };
        let patience = if self.is_open() { self.patience() } else { [None; 4] };
        let earliest = |a: Due, b: Due| if b.0 < a.0 { b } else { a };
        state
            .into_iter()
            .chain(call)
            .chain(request)
            .chain(self.flow_timeouts().into_iter().flatten())
            .chain(patience.into_iter().flatten())
            .reduce(earliest)
    }

    /// Advances the time to `now`: ends calls, and closes the connection, where their time is over.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
        while let Some((id, ctx, after, end)) = self.pending.expire_until(self.now) {
            let sent = self.outbox.is_written(end);
            let result = Err(CallError::TimedOut { after, sent });
            self.stats.unanswered += 1;
            self.events.push_back(Event::Answer { id: CallId(id), ctx, result });
            self.last_moved = self.now;
            self.cancel_call(id, true);
            self.note_timeout(after);
        }
        self.expire_requests();
        self.beat();
        match self.next_timeout() {
            Some((at, reason)) if at <= self.now => self.finish(CloseReason::TimedOut(reason)),
            _ => self.finish_if_drained(),
        }
    }

    /// Handles the end of the peer's side. `unread` bytes of an unfinished frame are left over.
    ///
    /// Our calls are lost. Requests of the peer can still be answered for [`Config::linger`](Config::linger), in case
    /// it has closed only one direction.
    pub fn handle_eof(&mut self, now: Instant, unread: usize) {
        self.advance(now);
        if !self.has_input() {
            return;
        }
        self.eof = true;
        if unread > 0 {
            self.finish(CloseReason::Truncated { unread });
            return;
        }
        let linger = self.now.checked_add(self.config.linger);
        let (until, reason, answers) = match &self.state {
            // It follows our closing, and must not prolong it.
            State::Draining { until, reason, answers } => {
                ((*until).into_iter().chain(linger).min(), reason.clone(), *answers)
            }
            _ => (linger, CloseReason::Peer, true),
        };
        if self.config.linger.is_zero() {
            self.finish(reason);
            return;
        }
        self.lose_calls(&reason);
        self.state = State::Draining { until, reason, answers };
        self.finish_if_drained();
    }

    /// Handles a broken stream. `why` is an [`io::Error`](std::io::Error) or its kind. Nothing can be written any
    /// more.
    pub fn handle_lost(&mut self, now: Instant, why: impl Into<CloseReason>) {
        self.advance(now);
        self.finish(why.into());
    }

    fn advance(&mut self, now: Instant) {
        // Most of the time it is the same: input that arrives together is handled together.
        if now != self.now && now > self.now {
            self.now = now;
            self.unpacking.advance(now);
        }
    }

    /// Closes now, for `reason`.
    fn finish(&mut self, reason: CloseReason) {
        if self.is_closed() {
            return;
        }
        self.lose_calls(&reason);
        self.requests.clear();
        self.drop_waiting();
        self.outbox.clear();
        self.full_since = None;
        self.events.push_back(Event::Closed { reason: reason.clone() });
        self.state = State::Closed(reason);
    }

    fn finish_if_drained(&mut self) {
        let State::Draining { reason, answers, .. } = &self.state else {
            return;
        };
        let answered = !answers || (self.calls_in == 0 && self.pending.len() == 0);
        if answered && self.outbox.held() == 0 {
            self.finish(reason.clone());
        }
    }

    fn lose_calls(&mut self, reason: &CloseReason) {
        for (id, ctx) in self.pending.drain() {
            let result = Err(CallError::Lost(reason.clone()));
            self.stats.unanswered += 1;
            self.events.push_back(Event::Answer { id: CallId(id), ctx, result });
        }
    }
}
