//! One direction of a stream: bytes that are on their way, and what a link does to them.

use std::collections::VecDeque;
use std::io::{ErrorKind, IoSlice};
use std::task::Waker;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};

use super::WayId;
use crate::fault::Fault;
use crate::trace::Step;
use crate::world::{Event, State, Wakers};

/// One direction of a stream.
#[derive(Debug, Default)]
pub(super) struct Way {
    /// Written, and not read yet.
    bytes: BytesMut,
    /// How many of them have arrived.
    arrived: usize,
    /// What has not.
    pieces: VecDeque<Piece>,
    /// When the link is done with what was written before.
    free_at: Option<Instant>,
    /// The writer has ended it.
    ended: bool,
    /// So the reader knows.
    end_arrived: bool,
    /// The reader is gone.
    deserted: bool,
    broken: Option<ErrorKind>,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Debug)]
struct Piece {
    arrives: Instant,
    what: What,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Bytes(usize),
    End,
    /// The stream breaks, in both directions.
    Reset,
}

impl Way {
    fn next_due(&mut self, now: Instant) -> Option<What> {
        let piece = self.pieces.front()?;
        if piece.arrives > now {
            return None;
        }
        self.pieces.pop_front().map(|piece| piece.what)
    }

    /// Nobody will read any more. What is on its way is dropped as it arrives.
    fn desert(&mut self) {
        self.deserted = true;
        self.bytes.advance(self.arrived);
        self.arrived = 0;
    }

    /// Breaks it. What has arrived can still be read.
    fn cut(&mut self, wakers: &mut Wakers) {
        self.broken = Some(ErrorKind::ConnectionReset);
        self.pieces.clear();
        self.bytes.truncate(self.arrived);
        wakers.extend(self.reader.take());
        wakers.extend(self.writer.take());
    }
}

impl State {
    /// Writes as much as there is room for. `None`: there is none.
    pub(super) fn send(
        &mut self,
        id: WayId,
        output: &[IoSlice<'_>],
        wakers: &mut Wakers,
    ) -> Option<Result<usize, ErrorKind>> {
        let Self { net, chance, trace, .. } = self;
        let Some(connection) = net.connections.get(id) else {
            return Some(Err(ErrorKind::NotConnected));
        };
        let (from, to) = connection.hosts(id);
        let way = &mut connection.ways[id.from];
        if let Some(error) = way.broken {
            return Some(Err(error));
        }
        if way.ended {
            return Some(Err(ErrorKind::BrokenPipe));
        }
        let link = net.links.between(from, to);
        let all: usize = output.iter().map(|slice| slice.len()).sum();
        let mut count = all.min(link.buffer.saturating_sub(way.bytes.len()));
        if count == 0 {
            return None;
        }
        if count > 1 && chance.happens(Fault::Split, link.split) {
            count = 1 + chance.below(Fault::Split, count - 1);
        }
        trace.note(Step::Send, id.number(), count as u64);
        let mut left = count;
        for slice in output {
            let slice = &slice[..slice.len().min(left)];
            left -= slice.len();
            trace.bytes(slice);
            way.bytes.extend_from_slice(slice);
        }
        self.put(id, What::Bytes(count), wakers);
        Some(Ok(count))
    }

    /// Reads as much as there is, and has room. `None`: nothing is there.
    pub(super) fn receive(
        &mut self,
        id: WayId,
        input: &mut BytesMut,
        wakers: &mut Wakers,
    ) -> Option<Result<usize, ErrorKind>> {
        let Self { net, chance, trace, .. } = self;
        let Some(connection) = net.connections.get(id) else {
            return Some(Err(ErrorKind::NotConnected));
        };
        let (from, to) = connection.hosts(id);
        let way = &mut connection.ways[id.from];
        let mut count = way.arrived.min(input.capacity() - input.len());
        if count == 0 {
            return match way.broken {
                Some(error) => Some(Err(error)),
                None => way.end_arrived.then_some(Ok(0)),
            };
        }
        if count > 1 && chance.happens(Fault::Split, net.links.between(from, to).split) {
            count = 1 + chance.below(Fault::Split, count - 1);
        }
        trace.note(Step::Receive, id.number(), count as u64);
        if input.is_empty() && count == way.bytes.len() {
            std::mem::swap(&mut way.bytes, input);
            way.bytes.clear();
        } else {
            input.extend_from_slice(&way.bytes[..count]);
            way.bytes.advance(count);
        }
        way.arrived -= count;
        wakers.extend(way.writer.take());
        Some(Ok(count))
    }

    /// Lets a waker know when something can be read.
    pub(super) fn wait_to_read(&mut self, id: WayId, waker: &Waker) {
        if let Some(connection) = self.net.connections.get(id) {
            connection.ways[id.from].reader = Some(waker.clone());
        }
    }

    /// Lets a waker know when something can be written.
    pub(super) fn wait_to_write(&mut self, id: WayId, waker: &Waker) {
        if let Some(connection) = self.net.connections.get(id) {
            connection.ways[id.from].writer = Some(waker.clone());
        }
    }

    /// The writer has written all.
    pub(super) fn end(&mut self, id: WayId, wakers: &mut Wakers) {
        let Some(connection) = self.net.connections.get(id) else { return };
        let way = &mut connection.ways[id.from];
        if !std::mem::replace(&mut way.ended, true) && way.broken.is_none() {
            self.put(id, What::End, wakers);
        }
    }

    /// Nobody holds the end any more that writes to `id`.
    pub(super) fn desert(&mut self, id: WayId, wakers: &mut Wakers) {
        let Some(connection) = self.net.connections.get(id) else { return };
        connection.is_open[id.from] = false;
        if connection.is_open == [false, false] {
            self.net.connections.remove(id);
            return;
        }
        let (host, _) = connection.hosts(id);
        let input = &mut connection.ways[id.back().from];
        let is_read = input.arrived == 0;
        input.desert();
        if self.hosts[host].dark {
            // Nobody hears of it before something of theirs arrives there.
        } else if is_read {
            self.end(id, wakers);
        } else {
            // As TCP has it: who has not read all breaks the stream instead of ending it.
            self.put(id, What::Reset, wakers);
        }
    }

    /// Puts something on its way.
    fn put(&mut self, id: WayId, what: What, wakers: &mut Wakers) {
        let Self { net, chance, now, .. } = self;
        let Some(connection) = net.connections.get(id) else { return };
        let (from, to) = connection.hosts(id);
        let link = net.links.between(from, to);
        let way = &mut connection.ways[id.from];
        let mut arrives = *now;
        if let (What::Bytes(count), Some(bandwidth)) = (what, link.bandwidth)
            && chance.is_on(Fault::Bandwidth)
        {
            if let Some(free_at) = way.free_at.filter(|at| *at > arrives) {
                chance.counts.add(Fault::Bandwidth);
                arrives = free_at;
            }
            arrives += Duration::from_secs_f64(count as f64 / bandwidth as f64);
            way.free_at = Some(arrives);
        }
        let latency = chance.time(Fault::Latency, &link.latency);
        if !latency.is_zero() {
            chance.counts.add(Fault::Latency);
            arrives += latency;
        }
        if matches!(what, What::Bytes(_)) && chance.happens(Fault::Stall, link.stall) {
            arrives += chance.time(Fault::Stall, &link.stall_time);
        }
        if let Some(last) = way.pieces.back() {
            arrives = arrives.max(last.arrives);
        }
        way.pieces.push_back(Piece { arrives, what });
        if arrives <= *now {
            self.deliver(id, wakers);
        } else {
            self.schedule(arrives, Event::Deliver(id));
        }
    }

    /// Lets arrive what is due, unless nothing gets through.
    pub(crate) fn deliver(&mut self, id: WayId, wakers: &mut Wakers) {
        let Some(connection) = self.net.connections.get(id) else { return };
        let (from, to) = connection.hosts(id);
        if self.is_cut(from, to) {
            return;
        }
        let reset = self.net.links.between(from, to).reset;
        loop {
            let Some(connection) = self.net.connections.get(id) else { return };
            let way = &mut connection.ways[id.from];
            let Some(what) = way.next_due(self.now) else { return };
            match what {
                What::Bytes(count) if way.deserted => {
                    way.bytes.advance(count);
                    wakers.extend(way.writer.take());
                    // The writer learns that nobody reads.
                    self.put(id.back(), What::Reset, wakers);
                }
                What::Bytes(count) => {
                    if self.chance.happens(Fault::Reset, reset) {
                        way.arrived += self.chance.below(Fault::Reset, count);
                        self.cut(id, wakers);
                    } else {
                        way.arrived += count;
                        wakers.extend(way.reader.take());
                    }
                }
                What::End => {
                    way.end_arrived = true;
                    wakers.extend(way.reader.take());
                }
                What::Reset => self.cut(id, wakers),
            }
        }
    }

    /// Lets arrive what has waited for a partition to end.
    pub(crate) fn deliver_all(&mut self, wakers: &mut Wakers) {
        for id in self.net.connections.ways() {
            self.deliver(id, wakers);
        }
    }

    /// Breaks a stream in both directions.
    fn cut(&mut self, id: WayId, wakers: &mut Wakers) {
        if let Some(connection) = self.net.connections.get(id) {
            for way in &mut connection.ways {
                way.cut(wakers);
            }
        }
    }

    /// Breaks all streams.
    pub(crate) fn cut_all(&mut self, wakers: &mut Wakers) {
        for id in self.net.connections.ways() {
            self.cut(id, wakers);
        }
    }
}
