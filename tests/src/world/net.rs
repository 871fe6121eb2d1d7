//! Byte streams between the containers of a world.

use std::collections::VecDeque;
use std::time::Instant;

use aiomas_core::agent::ConnId;
use aiomas_core::connection::Transmit;
use bytes::{Buf, Bytes, BytesMut};

use crate::pair::{Cut, Cuts};

/// A stream. The first end is the dialler's.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) ends: [End; 2],
}

/// One end of a stream, and the pieces in flight from it.
#[derive(Debug)]
pub(super) struct End {
    pub(super) site: usize,
    /// The id in its node, or `None` if closed.
    pub(super) conn: Option<ConnId>,
    pub(super) input: BytesMut,
    pub(super) output: VecDeque<Transmit>,
    travelling: VecDeque<(Instant, Piece)>,
    /// Whether the last piece is in flight.
    pub(super) over: bool,
}

/// A piece that arrives at an end.
#[derive(Debug)]
pub(super) enum Piece {
    Bytes(Bytes),
    End(Cut),
}

impl End {
    fn new(site: usize, conn: Option<ConnId>) -> Self {
        Self {
            site,
            conn,
            input: BytesMut::new(),
            output: VecDeque::new(),
            travelling: VecDeque::new(),
            over: false,
        }
    }

    /// Takes the next piece to be written.
    pub(super) fn next_write(&mut self, cuts: &mut Cuts) -> Option<Bytes> {
        let transmit = self.output.front_mut()?;
        let size = cuts.next(transmit.remaining());
        let bytes = transmit.copy_to_bytes(size);
        if !transmit.has_remaining() {
            self.output.pop_front();
        }
        Some(bytes)
    }

    pub(super) fn send(&mut self, arrives: Instant, piece: Piece) {
        self.over |= matches!(piece, Piece::End(_));
        self.travelling.push_back((arrives, piece));
    }

    pub(super) fn arrival(&self) -> Option<Instant> {
        self.travelling.front().map(|(at, _)| *at)
    }

    pub(super) fn arrive(&mut self, now: Instant) -> Option<Piece> {
        self.arrival().filter(|at| *at <= now)?;
        self.travelling.pop_front().map(|(_, piece)| piece)
    }

    /// Closes this end as its owner; the other end will see `how`.
    pub(super) fn close(&mut self, arrives: Instant, how: Cut) {
        self.conn = None;
        self.output.clear();
        if !self.over || matches!(how, Cut::Reset) {
            self.send(arrives, Piece::End(how));
        }
    }

    /// Breaks the pieces in flight.
    pub(super) fn cut(&mut self, now: Instant) {
        self.travelling.clear();
        self.send(now, Piece::End(Cut::Reset));
    }
}

impl Stream {
    pub(super) fn new(dialler: (usize, ConnId), listener: (usize, Option<ConnId>)) -> Self {
        Self { ends: [End::new(dialler.0, Some(dialler.1)), End::new(listener.0, listener.1)] }
    }

    pub(super) fn sites(&self) -> (usize, usize) {
        (self.ends[0].site, self.ends[1].site)
    }

    /// Returns whether the stream has ended.
    pub(super) fn is_over(&self) -> bool {
        self.ends.iter().all(|end| end.conn.is_none())
    }
}
