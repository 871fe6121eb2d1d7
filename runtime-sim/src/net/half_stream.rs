//! One direction of a stream.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::task::Waker;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};

/// One direction of a stream.
#[derive(Debug, Default)]
pub(super) struct HalfStream {
    /// The bytes written and not read yet.
    pub(super) bytes: BytesMut,
    /// The number of `bytes` that have arrived.
    pub(super) arrived: usize,
    /// Pieces still in flight.
    pub(super) pieces: VecDeque<Piece>,
    /// When the link has sent all earlier writes.
    pub(super) free_at: Option<Instant>,
    /// The writer has ended the half stream.
    pub(super) ended: bool,
    /// The end has reached the reader.
    pub(super) end_arrived: bool,
    /// The reader is gone.
    pub(super) deserted: bool,
    pub(super) broken: Option<ErrorKind>,
    /// The time after which the writer detects a dead peer.
    pub(super) keep_alive: Option<Duration>,
    /// When the reader detects that the writer is gone.
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
    /// Breaks the stream in both directions.
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

    /// Drops the reader's side. Bytes in flight are dropped as they arrive.
    pub(super) fn discard(&mut self) {
        self.deserted = true;
        self.bytes.advance(self.arrived);
        self.arrived = 0;
    }

    /// Breaks the half stream. Bytes that have arrived can still be read.
    pub(super) fn cut(&mut self, why: ErrorKind, wakers: &mut Vec<Waker>) {
        self.broken = Some(why);
        self.pieces.clear();
        self.bytes.truncate(self.arrived);
        wakers.extend(self.reader.take());
        wakers.extend(self.writer.take());
    }
}
