//! A connection under any sequence of operations, with a model of what it has to do.
//!
//! The sequence is made from bytes, so that property tests and fuzz targets share it. The contract of
//! [`Connection`](aiomas_core::connection::Connection) is checked after every operation.

use std::time::Duration;

use aiomas_core::connection::Close;

use crate::message;
use machine::Machine;

mod machine;

/// Bytes that decide what happens. When they are used up, they are zeros.
#[derive(Clone, Debug)]
pub struct ScriptedRuntime<'a>(&'a [u8]);

impl<'a> ScriptedRuntime<'a> {
    /// A script of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether all bytes have been used.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    /// The next `count` bytes, or as many as there are.
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

/// An operation on a connection, or something that its peer does.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the fields say what they are")]
pub enum Op {
    /// Make a call with a content of `size` bytes.
    Call { timeout: Option<Duration>, size: usize },
    /// Make a call whose content cannot be encoded.
    CallBadly,
    /// Give up the `nth` last of our calls, in flight or not.
    Abandon { nth: usize },
    /// Answer the `nth` open request.
    Reply { nth: usize, size: usize },
    /// Answer the `nth` open request with what cannot be encoded.
    ReplyBadly { nth: usize },
    /// Answer the `nth` open request with a failure.
    Fail { nth: usize, size: usize },
    /// Do not answer the `nth` open request.
    Ignore { nth: usize },
    /// Close the connection.
    Close(Close),
    /// The peer sends a request with an id of any kind.
    PeerRequest { id: usize, size: usize },
    /// As `PeerRequest`, with a deadline if both know of such.
    PeerRequestUntil { id: usize, size: usize },
    /// The peer gives up a request with this id, if both know of that.
    PeerCancel { id: usize },
    /// The peer answers the `nth` last of our calls, in flight or not.
    PeerAnswer { nth: usize, failure: bool },
    /// The peer answers a call that was never made.
    PeerAnswerUnknown,
    /// The peer answers or asks Hello.
    PeerHello,
    /// The peer asks whether we are alive, or says so, if both know of that.
    PeerHeartbeat { id: u64 },
    /// The peer sends a message of another type.
    PeerExtension,
    /// The peer sends bytes.
    PeerBytes(Vec<u8>),
    /// The next `count` bytes of the peer arrive.
    Arrive { count: usize },
    /// Everything that the peer has sent arrives.
    ArriveAll,
    /// The peer ends its stream.
    Eof,
    /// The stream breaks.
    Lost,
    /// `count` bytes have been written. It may be more than there are.
    Transmitted { count: usize },
    /// Time passes.
    Pass(Duration),
    /// The next operation is told a time that is this much too early.
    Back(Duration),
    /// `handle_timeout`, due or not.
    Timeout,
    /// Wait for `poll_timeout`.
    NextTimeout,
}

impl Op {
    /// The next operation of `script`.
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

/// Timeouts of calls, in milliseconds: some come often, and there are more than there are lists.
const TIMEOUTS: [u64; 7] = [0, 1, 20, 50, 100, 150, 200];

/// Deadlines of the peer's requests, in milliseconds.
const DEADLINES: [u64; 14] =
    [0, 1, 10, 10, 50, 50, 100, 100, 150, 300, 300, 1000, 9_000_000, u64::MAX / 1000];

/// Ids that a peer may give to its requests, in JSON.
const IDS: [&str; 8] = ["0", "1", "18446744073709551615", "null", "\"x\"", "[1, []]", "-1", "0.5"];

/// What is different from the plain run of the operations and must not make a difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Variation {
    /// Input arrives one byte at a time.
    pub bytewise: bool,
    /// Between the operations there are calls that have no reason.
    pub spurious: bool,
    /// Times that go back are corrected before the connection sees them.
    pub clamped: bool,
}

/// Everything that came out of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The events, and what commands returned.
    pub log: Vec<String>,
    /// The bytes.
    pub transmitted: Vec<u8>,
}

/// Runs the operations of `script` against a connection and checks its contract all the time.
///
/// # Panics
/// If the contract is violated.
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
