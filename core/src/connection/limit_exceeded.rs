//! Limits that were hit, in numbers.

use std::fmt;
use std::time::Duration;

use super::event::{CallError, CallRejected, CloseReason, TimeoutReason};
use super::tls::TlsError;
use crate::wire::{CodecError, FrameError};

/// A limit that was hit: which, what it is, and what was asked for. For logs and statistics; errors say it in
/// words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct LimitExceeded {
    /// Where to set it, such as `Limits::max_frame`.
    pub setting: &'static str,
    /// What it is set to: a number of bytes or of whatever it counts, or a time in milliseconds. (The peer
    /// may have asked for less, in its Hello.)
    pub limit: u64,
    /// What it would have been, as far as it was counted.
    pub actual: u64,
    /// Who went beyond it.
    pub direction: Direction,
}

/// Where something goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// It comes from the peer.
    In,
    /// It is ours.
    Out,
}

impl LimitExceeded {
    pub(crate) const fn new(
        setting: &'static str,
        limit: usize,
        actual: usize,
        direction: Direction,
    ) -> Self {
        Self { setting, limit: limit as u64, actual: actual as u64, direction }
    }

    /// One was to be added where there are `limit`.
    pub(crate) const fn one_more(
        setting: &'static str,
        limit: usize,
        direction: Direction,
    ) -> Self {
        Self::new(setting, limit, limit.saturating_add(1), direction)
    }

    fn time(setting: &'static str, after: Duration) -> Self {
        let limit = after.as_millis().try_into().unwrap_or(u64::MAX);
        Self { setting, limit, actual: limit, direction: Direction::In }
    }

    /// Which limit an error of decoding or encoding was, if it was one.
    fn of_codec(error: &CodecError, direction: Direction) -> Option<Self> {
        Some(match *error {
            CodecError::TooDeep { limit } => {
                Self::one_more("Budget::depth", limit as usize, direction)
            }
            CodecError::TooManyNodes { limit } => {
                Self::one_more("Budget::nodes", limit as usize, direction)
            }
            CodecError::PathTooLong { length, limit } => {
                Self::new("Budget::path", limit as usize, length, direction)
            }
            CodecError::TooManyProxies { limit } => {
                Self::one_more("Limits::max_proxies", limit, direction)
            }
            _ => return None,
        })
    }
}

impl fmt::Display for LimitExceeded {
    /// One line, `Limits::max_frame is 100, 210 came in`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, limit, actual, direction } = self;
        let what = match direction {
            Direction::In => "came in",
            Direction::Out => "was to go out",
        };
        write!(f, "{setting} is {limit}, {actual} {what}")
    }
}

impl CodecError {
    /// Which limit of what came in it was, if it was one.
    #[must_use]
    pub fn exceeded(&self) -> Option<LimitExceeded> {
        LimitExceeded::of_codec(self, Direction::In)
    }
}

impl CloseReason {
    /// Which limit it was, if it was one.
    #[must_use]
    pub fn exceeded(&self) -> Option<LimitExceeded> {
        match self {
            Self::Frame(FrameError::TooLong { length, limit }) => Some(LimitExceeded {
                actual: *length,
                ..LimitExceeded::new("Limits::max_frame", *limit, 0, Direction::In)
            }),
            Self::Malformed { error, .. } => error.exceeded(),
            Self::TimedOut(reason) => reason.exceeded(),
            Self::Tls(error) => error.exceeded(),
            _ => None,
        }
    }
}

impl TlsError {
    /// Which limit it was, if it was one.
    #[must_use]
    pub fn exceeded(&self) -> Option<LimitExceeded> {
        match self {
            Self::TimedOut { after } => Some(LimitExceeded::time("Limits::handshake", *after)),
            _ => None,
        }
    }
}

impl TimeoutReason {
    /// Which limit it was, if it was one.
    #[must_use]
    pub fn exceeded(self) -> Option<LimitExceeded> {
        Some(match self {
            Self::Idle { after } => LimitExceeded::time("Limits::idle", after),
            Self::Handshake { after } => LimitExceeded::time("Limits::handshake", after),
            Self::FirstFrame { after } => LimitExceeded::time("Limits::first_frame", after),
            Self::Frame { after, .. } => LimitExceeded::time("Limits::progress", after),
            Self::Heartbeat { after } => LimitExceeded::time("Limits::keep_alive", after),
            Self::Output { after, .. } => LimitExceeded {
                direction: Direction::Out,
                ..LimitExceeded::time("Limits::send_timeout", after)
            },
            Self::Unpacking { length, rate } => {
                LimitExceeded::new("Limits::unpacking", rate, length, Direction::In)
            }
            Self::Call | Self::Deadline | Self::Drain => return None,
        })
    }
}

impl CallRejected {
    /// Which limit it was, if it was one.
    #[must_use]
    pub fn exceeded(&self) -> Option<LimitExceeded> {
        let out = Direction::Out;
        match self {
            Self::TooManyCalls { limit } => {
                Some(LimitExceeded::one_more("Limits::max_calls_out", *limit, out))
            }
            Self::OutputFull { waiting, limit } => {
                Some(LimitExceeded::new("Limits::output_high", *limit, *waiting, out))
            }
            Self::TooLong { length, limit } => {
                Some(LimitExceeded::new("Limits::max_frame", *limit, *length, out))
            }
            Self::Codec(error) => LimitExceeded::of_codec(error, out),
            Self::Closed | Self::Cancelled | Self::WrongFormat { .. } => None,
        }
    }
}

impl CallError {
    /// Which limit it was, if it was one of this side.
    #[must_use]
    pub fn exceeded(&self) -> Option<LimitExceeded> {
        match self {
            Self::Lost(reason) => reason.exceeded(),
            Self::Remote(_) | Self::TimedOut { .. } => None,
        }
    }
}
