//! One direction of a stream.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::task::Waker;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};

/// One direction of a stream.
#[derive(Debug, Default)]
pub(super) struct HalfStream {
    /// Written, and not read yet.
    pub(super) bytes: BytesMut,
    /// How many of them have arrived.
    pub(super) arrived: usize,
    /// What has not.
    pub(super) pieces: VecDeque<Piece>,
    /// When the link is done with what was written before.
    pub(super) free_at: Option<Instant>,
    /// The writer has ended it.
    pub(super) ended: bool,
    /// So the reader knows.
    pub(super) end_arrived: bool,
    /// The reader is gone.
    pub(super) deserted: bool,
    pub(super) broken: Option<ErrorKind>,
    /// After how long the writer finds out that the other end is gone, though nobody says so.
    pub(super) keep_alive: Option<Duration>,
    /// When the reader finds out that the writer is gone.
    pub(super) missed: Option<Instant>,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
}

#[derive(Debug)]
pub(super) struct Piece {
    pub(super) arrives: Instant,
    pub(super) what: What,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum What {
    Bytes(usize),
    End,
    /// The stream breaks, in both directions.
    Reset,
}

impl HalfStream {
    pub(super) fn next_due(&mut self, now: Instant) -> Option<What> {
        let piece = self.pieces.front()?;
        if piece.arrives > now {
            return None;
        }
        self.pieces.pop_front().map(|piece| piece.what)
    }

    /// Nobody will read any more. What is on its way is dropped as it arrives.
    pub(super) fn discard(&mut self) {
        self.deserted = true;
        self.bytes.advance(self.arrived);
        self.arrived = 0;
    }

    /// Breaks it. What has arrived can still be read.
    pub(super) fn cut(&mut self, why: ErrorKind, wakers: &mut Vec<Waker>) {
        self.broken = Some(why);
        self.pieces.clear();
        self.bytes.truncate(self.arrived);
        wakers.extend(self.reader.take());
        wakers.extend(self.writer.take());
    }
}
