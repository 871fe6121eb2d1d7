//! A connection under random operations, with a model of its behaviour.
//!
//! Bytes decide the operations, so property tests and fuzz targets share this code. The contract of
//! [`Connection`](aiomas_core::connection::Connection) is checked after every operation.

use std::time::Duration;

use aiomas_core::connection::Close;

use crate::message;
use machine::Machine;

mod machine;

/// Bytes that decide the operations. After the last one, only zeros follow.
#[derive(Clone, Debug)]
pub struct ScriptedRuntime<'a>(&'a [u8]);

impl<'a> ScriptedRuntime<'a> {
    /// Creates a script of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Returns whether all bytes have been used.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    /// Takes the next `count` bytes, or all that are left.
    pub(crate) fn take(&mut self, count: usize) -> Vec<u8> {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken.to_vec()
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::from(self.byte()) % end
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    pub(crate) fn millis(&mut self) -> Duration {
        Duration::from_millis(self.byte().into())
    }
}

/// An operation on a connection, or an action of its peer.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields say what they are")]
pub enum Op {
    /// Makes a call with a content of `size` bytes.
    Call { timeout: Option<Duration>, size: usize },
    /// Makes a call whose content cannot be encoded.
    CallBadly,
    /// Cancels the `nth` last of our calls, in flight or not.
    Abandon { nth: usize },
    /// Answers the `nth` open request.
    Reply { nth: usize, size: usize },
    /// Answers the `nth` open request with a value that cannot be encoded.
    ReplyBadly { nth: usize },
    /// Answers the `nth` open request with a failure.
    Fail { nth: usize, size: usize },
    /// Discards the `nth` open request without an answer.
    Ignore { nth: usize },
    /// Closes the connection.
    Close(Close),
    /// The peer sends a request with an id of any kind.
    PeerRequest { id: usize, size: usize },
    /// As `PeerRequest`, with a deadline if both sides support deadlines.
    PeerRequestUntil { id: usize, size: usize },
    /// The peer cancels a request with this id, if both sides support cancellation.
    PeerCancel { id: usize },
    /// The peer answers the `nth` last of our calls, in flight or not.
    PeerAnswer { nth: usize, failure: bool },
    /// The peer answers a call that was never made.
    PeerAnswerUnknown,
    /// The peer sends or answers Hello.
    PeerHello,
    /// The peer sends or answers a heartbeat, if both sides support heartbeats.
    PeerHeartbeat { id: u64 },
    /// The peer sends a message of another type.
    PeerExtension,
    /// The peer sends bytes.
    PeerBytes(Vec<u8>),
    /// The next `count` bytes of the peer arrive.
    Arrive { count: usize },
    /// All bytes of the peer arrive.
    ArriveAll,
    /// The peer ends its stream.
    Eof,
    /// The stream breaks.
    Lost,
    /// `count` bytes have been written, possibly more than available.
    Transmitted { count: usize },
    /// Time passes.
    Pass(Duration),
    /// The next operation receives a time that is too early by this duration.
    Back(Duration),
    /// `handle_timeout`, due or not.
    Timeout,
    /// Waits for `poll_timeout`.
    NextTimeout,
}

impl Op {
    /// Reads the next operation of `script`.
    pub fn read(script: &mut ScriptedRuntime<'_>) -> Self {
        let byte = script.byte();
        match byte % 32 {
            22 if byte >= 192 => Self::PeerHeartbeat { id: u64::from(byte / 32 % 2) },
            0 | 1 => Self::NextTimeout,
            2..6 => {
                let timeout = TIMEOUTS.get(script.below(2 * TIMEOUTS.len()));
                let timeout = timeout.copied().map(Duration::from_millis);
                Self::Call { timeout, size: script.below(220) }
            }
            6 => Self::CallBadly,
            7 => Self::Abandon { nth: script.below(6) },
            8..10 => Self::Reply { nth: script.below(4), size: script.below(220) },
            10 => Self::ReplyBadly { nth: script.below(4) },
            11 => Self::Fail { nth: script.below(4), size: script.below(256) },
            12 => Self::Ignore { nth: script.below(4) },
            13 => match script.below(16) {
                0 => Self::Close(Close::Now),
                1 => Self::Eof,
                2 => Self::Lost,
                3 => Self::PeerExtension,
                4 => Self::PeerAnswerUnknown,
                5..8 => Self::Close(Close::AfterFlush),
                _ => Self::Close(Close::AfterAnswers { within: script.millis() }),
            },
            14..17 => Self::PeerRequest { id: script.below(IDS.len()), size: script.below(150) },
            17 => Self::PeerRequestUntil { id: script.below(IDS.len()), size: script.below(150) },
            18 => Self::PeerCancel { id: script.below(IDS.len()) },
            19..22 => Self::PeerAnswer { nth: script.below(6), failure: script.flag() },
            22 => Self::PeerHello,
            23 if script.below(8) == 0 => {
                let whole = script.flag();
                let size = script.below(20);
                let bytes: Vec<_> = std::iter::repeat_with(|| script.byte()).take(size).collect();
                Self::PeerBytes(if whole { message::frame(bytes) } else { bytes })
            }
            23..26 => Self::ArriveAll,
            26 => Self::Arrive { count: script.below(64) },
            27 | 28 => Self::Transmitted { count: script.below(256) },
            29 => Self::Pass(script.millis()),
            30 => Self::Back(script.millis()),
            _ => Self::Timeout,
        }
    }
}

/// Timeouts of calls, in milliseconds. Some are frequent, and there are more than timer lists.
const TIMEOUTS: [u64; 7] = [0, 1, 20, 50, 100, 150, 200];

/// Deadlines of the peer's requests, in milliseconds.
const DEADLINES: [u64; 14] =
    [0, 1, 10, 10, 50, 50, 100, 100, 150, 300, 300, 1000, 9_000_000, u64::MAX / 1000];

/// Ids of the peer's requests, in JSON.
const IDS: [&str; 8] = ["0", "1", "18446744073709551615", "null", "\"x\"", "[1, []]", "-1", "0.5"];

/// Variations of a run that must not change its results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Variation {
    /// Input arrives one byte at a time.
    pub bytewise: bool,
    /// Spurious calls happen between the operations.
    pub spurious: bool,
    /// Times that go back are corrected before they reach the connection.
    pub clamped: bool,
}

/// All outputs of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The events and the results of commands.
    pub log: Vec<String>,
    /// The bytes.
    pub transmitted: Vec<u8>,
}

/// Runs the operations of `script` against a connection, and checks its contract after each.
///
/// # Panics
/// The contract is violated.
#[must_use]
pub fn run(script: &[u8], variation: Variation) -> Trace {
    let mut script = ScriptedRuntime::new(script);
    let mut machine = Machine::new(&mut script, variation);
    machine.settle();
    while !script.is_over() {
        let op = Op::read(&mut script);
        machine.apply(&op);
        machine.settle();
    }
    machine.apply(&Op::Close(Close::Now));
    machine.settle();
    machine.check_closed();
    machine.trace
}
