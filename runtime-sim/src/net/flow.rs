//! Bytes in flight, and the delays and faults of their link.

use std::io::{ErrorKind, IoSlice};
use std::task::Waker;
use std::time::Duration;

use bytes::{Buf, BytesMut};

use super::connection::HalfStreamId;
use super::half_stream::{Piece, What};
use super::network::{Env, Net};
use crate::fault::Fault;
use crate::trace::Step;

impl Net {
    /// Writes as many bytes as the buffer has room for. Returns `None` if it is full.
    pub(crate) fn send(
        &mut self,
        env: &mut Env,
        id: HalfStreamId,
        output: &[IoSlice<'_>],
    ) -> Option<Result<usize, ErrorKind>> {
        let Some(connection) = self.connections.get(id) else {
            return Some(Err(ErrorKind::NotConnected));
        };
        let (from, to) = connection.hosts(id);
        let half_stream = &mut connection.half_streams[id.from];
        if let Some(error) = half_stream.broken {
            return Some(Err(error));
        }
        if half_stream.ended {
            return Some(Err(ErrorKind::BrokenPipe));
        }
        let link = self.links.between(from, to);
        let all: usize = output.iter().map(|slice| slice.len()).sum();
        let mut count = all.min(link.buffer.saturating_sub(half_stream.bytes.len()));
        if count == 0 {
            return None;
        }
        if count > 1 && env.rng.happens(Fault::Split, link.split) {
            count = 1 + env.rng.below(Fault::Split, count - 1);
        }
        env.trace.note(Step::Send, id.number(), count as u64);
        let mut left = count;
        for slice in output {
            let slice = &slice[..slice.len().min(left)];
            left -= slice.len();
            env.trace.bytes(slice);
            half_stream.bytes.extend_from_slice(slice);
        }
        self.put(env, id, What::Bytes(count));
        Some(Ok(count))
    }

    /// Reads as many available bytes as `input` has room for. Returns `None` if no bytes have
    /// arrived.
    pub(crate) fn receive(
        &mut self,
        env: &mut Env,
        id: HalfStreamId,
        input: &mut BytesMut,
    ) -> Option<Result<usize, ErrorKind>> {
        let Some(connection) = self.connections.get(id) else {
            return Some(Err(ErrorKind::NotConnected));
        };
        let (from, to) = connection.hosts(id);
        let half_stream = &mut connection.half_streams[id.from];
        let mut count = half_stream.arrived.min(input.capacity() - input.len());
        if count == 0 {
            return match half_stream.broken {
                Some(error) => Some(Err(error)),
                None => half_stream.end_arrived.then_some(Ok(0)),
            };
        }
        if count > 1 && env.rng.happens(Fault::Split, self.links.between(from, to).split) {
            count = 1 + env.rng.below(Fault::Split, count - 1);
        }
        env.trace.note(Step::Receive, id.number(), count as u64);
        // The reader keeps its buffer with its capacity.
        input.extend_from_slice(&half_stream.bytes[..count]);
        half_stream.bytes.advance(count);
        half_stream.arrived -= count;
        env.wakers.extend(half_stream.writer.take());
        Some(Ok(count))
    }

    /// Registers a waker to call when bytes can be read.
    pub(crate) fn wait_to_read(&mut self, id: HalfStreamId, waker: &Waker) {
        if let Some(connection) = self.connections.get(id) {
            connection.half_streams[id.from].reader = Some(waker.clone());
        }
    }

    /// Registers a waker to call when bytes can be written.
    pub(crate) fn wait_to_write(&mut self, id: HalfStreamId, waker: &Waker) {
        if let Some(connection) = self.connections.get(id) {
            connection.half_streams[id.from].writer = Some(waker.clone());
        }
    }

    /// Sets the time after which the writer detects that the other host is gone.
    pub(crate) fn keep_alive(&mut self, id: HalfStreamId, time: Duration) {
        if let Some(connection) = self.connections.get(id) {
            connection.half_streams[id.from].keep_alive = Some(time);
        }
    }

    /// Ends the half stream: the writer has written all its data.
    pub(crate) fn end(&mut self, env: &mut Env, id: HalfStreamId) {
        let Some(connection) = self.connections.get(id) else { return };
        let half_stream = &mut connection.half_streams[id.from];
        if !std::mem::replace(&mut half_stream.ended, true) && half_stream.broken.is_none() {
            self.put(env, id, What::End);
        }
    }

    /// Drops the end that writes to `id`.
    pub(crate) fn discard(&mut self, env: &mut Env, id: HalfStreamId) {
        let Some(connection) = self.connections.get(id) else { return };
        connection.is_open[id.from] = false;
        if connection.is_open == [false, false] {
            self.connections.remove(id);
            return;
        }
        let (host, _) = connection.hosts(id);
        let keep_alive = connection.half_streams[id.back().from].keep_alive;
        let input = &mut connection.half_streams[id.back().from];
        let is_read = input.arrived == 0;
        input.discard();
        if self.hosts[host].dark {
            // A host without power sends no notice. Its peer notices when it sends data, or by
            // keep-alive.
            if let Some(at) = keep_alive.and_then(|time| env.now.checked_add(time)) {
                connection.half_streams[id.from].missed = Some(at);
                env.arrivals.push((at, id));
            }
        } else if is_read {
            self.end(env, id);
        } else {
            // As in TCP, an end dropped with unread data resets the stream instead of ending it.
            self.put(env, id, What::Reset);
        }
    }

    /// Puts data or a signal in flight.
    fn put(&mut self, env: &mut Env, id: HalfStreamId, what: What) {
        let Some(connection) = self.connections.get(id) else { return };
        let (from, to) = connection.hosts(id);
        let link = self.links.between(from, to);
        let half_stream = &mut connection.half_streams[id.from];
        let mut arrives = env.now;
        if let (What::Bytes(count), Some(bandwidth)) = (what, link.bandwidth)
            && env.rng.is_on(Fault::Bandwidth)
        {
            if let Some(free_at) = half_stream.free_at.filter(|at| *at > arrives) {
                env.rng.counts.add(Fault::Bandwidth);
                arrives = free_at;
            }
            arrives += Duration::from_secs_f64(count as f64 / bandwidth as f64);
            half_stream.free_at = Some(arrives);
        }
        let latency = env.rng.time(Fault::Latency, &link.latency);
        if !latency.is_zero() {
            env.rng.counts.add(Fault::Latency);
            arrives += latency;
        }
        if matches!(what, What::Bytes(_)) && env.rng.happens(Fault::Stall, link.stall) {
            arrives += env.rng.time(Fault::Stall, &link.stall_time);
        }
        if let Some(last) = half_stream.pieces.back() {
            arrives = arrives.max(last.arrives);
        }
        half_stream.pieces.push_back(Piece { arrives, what });
        if arrives <= env.now {
            self.deliver(env, id);
        } else {
            env.arrivals.push((arrives, id));
        }
    }

    /// Delivers due pieces, unless the hosts are cut off from each other.
    pub(crate) fn deliver(&mut self, env: &mut Env, id: HalfStreamId) {
        let Some(connection) = self.connections.get(id) else { return };
        let (from, to) = connection.hosts(id);
        if connection.half_streams[id.from].missed.is_some_and(|at| at <= env.now) {
            self.cut(env, id, ErrorKind::TimedOut);
            return;
        }
        if self.is_cut(from, to) {
            return;
        }
        let reset = self.links.between(from, to).reset;
        loop {
            let Some(connection) = self.connections.get(id) else { return };
            let half_stream = &mut connection.half_streams[id.from];
            let Some(what) = half_stream.next_due(env.now) else { return };
            match what {
                What::Bytes(count) if half_stream.deserted => {
                    half_stream.bytes.advance(count);
                    env.wakers.extend(half_stream.writer.take());
                    // The writer learns that the reader is gone.
                    self.put(env, id.back(), What::Reset);
                }
                What::Bytes(count) => {
                    if env.rng.happens(Fault::Reset, reset) {
                        half_stream.arrived += env.rng.below(Fault::Reset, count);
                        self.cut(env, id, ErrorKind::ConnectionReset);
                    } else {
                        half_stream.arrived += count;
                        env.wakers.extend(half_stream.reader.take());
                    }
                }
                What::End => {
                    half_stream.end_arrived = true;
                    env.wakers.extend(half_stream.reader.take());
                }
                What::Reset => self.cut(env, id, ErrorKind::ConnectionReset),
            }
        }
    }

    /// Delivers the pieces that were held back by a partition.
    pub(crate) fn deliver_all(&mut self, env: &mut Env) {
        for id in self.connections.half_streams() {
            self.deliver(env, id);
        }
    }

    /// Breaks a stream in both directions.
    fn cut(&mut self, env: &mut Env, id: HalfStreamId, why: ErrorKind) {
        if let Some(connection) = self.connections.get(id) {
            for half_stream in &mut connection.half_streams {
                half_stream.cut(why, &mut env.wakers);
            }
        }
    }

    /// Breaks all streams.
    pub(crate) fn cut_all(&mut self, env: &mut Env) {
        for id in self.connections.half_streams() {
            self.cut(env, id, ErrorKind::ConnectionReset);
        }
    }
}
