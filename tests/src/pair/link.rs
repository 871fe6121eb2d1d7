//! One direction of the link between two connections.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use aiomas_core::connection::Transmit;
use bytes::Bytes;

/// The splitting of a link's bytes into pieces.
#[derive(Clone, Debug)]
pub enum Cuts {
    /// No splitting.
    Whole,
    /// Pieces of these sizes, cyclically.
    Sizes(Vec<usize>),
    /// Pieces of random sizes. The seed must not be 0.
    Seed(u64),
}

impl Cuts {
    /// Returns the size of the next piece of `all` bytes: at least 1.
    pub(crate) fn next(&mut self, all: usize) -> usize {
        let size = match self {
            Self::Whole => all,
            Self::Sizes(sizes) => {
                sizes.rotate_left(1);
                sizes.last().copied().unwrap_or(all)
            }
            Self::Seed(state) => {
                // xorshift. Small pieces find more errors than large ones.
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                *state as usize % (1 << (*state >> 32 & 7))
            }
        };
        size.clamp(1, all.max(1))
    }
}

/// The end of a link.
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
    /// The latency of each byte.
    pub latency: Duration,
    /// The splitting of the bytes.
    pub cuts: Cuts,
    /// Whether the receiver does not read.
    pub stalled: bool,
    /// Cuts the link after this total number of written bytes.
    pub cut_after: Option<(usize, Cut)>,
    /// All bytes that have been written.
    pub written: Vec<u8>,
    pub(super) writing: Option<Transmit>,
    pub(super) travelling: VecDeque<(Instant, Piece)>,
    pub(super) over: bool,
}

#[derive(Debug)]
pub(super) enum Piece {
    Bytes(Bytes),
    Eof,
    Reset,
}

impl Link {
    pub(super) fn new() -> Self {
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

    pub(super) fn send(&mut self, now: Instant, piece: Piece) {
        self.over |= !matches!(piece, Piece::Bytes(_));
        self.travelling.push_back((now + self.latency, piece));
    }

    pub(super) fn arrival(&self) -> Option<Instant> {
        self.travelling.front().map(|(at, _)| *at).filter(|_| !self.stalled)
    }
}
