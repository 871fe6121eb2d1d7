//! Exceeded limits, in numbers.

use std::fmt;
use std::time::Duration;

use super::event::{CallError, CallRejected, CloseReason, TimeoutReason};
use super::tls::TlsError;
use crate::wire::{CodecError, FrameError};

/// An exceeded limit: its setting, its value, and the value that exceeds it.
///
/// It is for logs and statistics; errors express the same in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct LimitExceeded {
    /// The setting, such as `Limits::max_frame`.
    pub setting: &'static str,
    /// The limit, as a number of bytes or items, or a time in milliseconds.
    ///
    /// It may be lower than the setting if the peer's Hello asked for less.
    pub limit: u64,
    /// The value that exceeds the limit, as far as it was counted.
    pub actual: u64,
    /// The side that exceeded the limit.
    pub direction: Direction,
}

/// The direction of data or calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the peer.
    In,
    /// To the peer.
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

    /// Creates the error for one more item where there are `limit`.
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

    /// Returns the limit that a decoding or encoding error exceeded, if any.
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
    /// Writes one line, `Limits::max_frame is 100, 210 came in`.
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
    /// Returns the limit that the input exceeded, if any.
    #[must_use]
    pub fn exceeded(&self) -> Option<LimitExceeded> {
        LimitExceeded::of_codec(self, Direction::In)
    }
}

impl CloseReason {
    /// Returns the limit that was exceeded, if any.
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
    /// Returns the limit that was exceeded, if any.
    #[must_use]
    pub fn exceeded(&self) -> Option<LimitExceeded> {
        match self {
            Self::TimedOut { after } => Some(LimitExceeded::time("Limits::handshake", *after)),
            _ => None,
        }
    }
}

impl TimeoutReason {
    /// Returns the limit that was exceeded, if any.
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
    /// Returns the limit that was exceeded, if any.
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
    /// Returns the limit of this side that was exceeded, if any.
    #[must_use]
    pub fn exceeded(&self) -> Option<LimitExceeded> {
        match self {
            Self::Lost(reason) => reason.exceeded(),
            Self::Remote(_) | Self::TimedOut { .. } => None,
        }
    }
}
