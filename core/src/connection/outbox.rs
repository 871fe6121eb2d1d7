//! Output bytes on their way to the stream.

use std::collections::VecDeque;
use std::io::IoSlice;

use bytes::{Buf, Bytes};

use crate::wire::{Body, HEADER};

/// Bytes to be written to the peer, in order.
///
/// It owns its bytes, so the connection is not borrowed while they are written. Write
/// [`chunks_vectored`](Buf::chunks_vectored), [`advance`](Buf::advance), and call
/// [`Connection::handle_transmitted`](super::Connection::handle_transmitted).
#[derive(Debug, Default)]
pub struct Transmit {
    /// Everything but the large bodies.
    buffer: Vec<u8>,
    /// How much of the buffer has been written.
    at: usize,
    /// The large bodies, with their positions in the buffer.
    bodies: VecDeque<(usize, Bytes)>,
}

impl Transmit {
    /// Returns the next bytes of the buffer, up to the next body.
    fn head(&self) -> &[u8] {
        let end = self.bodies.front().map_or(self.buffer.len(), |(at, _)| *at);
        &self.buffer[self.at..end]
    }

    /// Advances to the end of the next body at most. Returns the rest of `count`.
    fn advance_to_body(&mut self, count: usize) -> usize {
        let head = self.head().len();
        self.at += count.min(head);
        let Some(left) = count.checked_sub(head) else { return 0 };
        match self.bodies.front_mut() {
            Some((_, body)) if left < body.len() => {
                body.advance(left);
                0
            }
            _ => left - self.bodies.pop_front().map_or(0, |(_, body)| body.len()),
        }
    }

    fn len(&self) -> usize {
        self.buffer.len() - self.at + self.bodies.iter().map(|(_, body)| body.len()).sum::<usize>()
    }
}

impl Buf for Transmit {
    fn remaining(&self) -> usize {
        self.len()
    }

    fn has_remaining(&self) -> bool {
        self.at < self.buffer.len() || !self.bodies.is_empty()
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        if self.bodies.is_empty() {
            return &self.buffer[self.at..];
        }
        match (self.head(), self.bodies.front()) {
            ([], Some((_, body))) => body,
            (head, _) => head,
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let (mut count, room) = (0, slices.len());
        let mut push = |chunk: &'a [u8]| match slices.get_mut(count) {
            Some(slice) if !chunk.is_empty() => {
                *slice = IoSlice::new(chunk);
                count += 1;
            }
            _ => {}
        };
        let mut at = self.at;
        // A body gives at least one slice, so further bodies need no look: the peer chooses their number, and by
        // reading slowly how often this function is called.
        for (end, body) in self.bodies.iter().take(room) {
            push(&self.buffer[at..*end]);
            push(body);
            at = *end;
        }
        push(&self.buffer[at..]);
        count
    }

    #[inline]
    fn advance(&mut self, mut count: usize) {
        while !self.bodies.is_empty() {
            count = self.advance_to_body(count);
            if count == 0 {
                return;
            }
        }
        assert!(count <= self.buffer.len() - self.at, "advanced beyond the end of a Transmit");
        self.at += count;
    }
}

/// The queue of frames, and a count of bytes taken but not yet written.
///
/// Frames are written one behind the other into one buffer: the payload in place, behind space for its header, which
/// is filled in when the length is known. So a frame is never copied from a buffer of its own. The writer of the
/// stream swaps buffers with the queue: while one is written, without a lock, the other fills, and neither is
/// allocated again.
///
/// Large bodies stay outside, as shared bytes with their position in the buffer, for vectored writes.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    queue: Transmit,
    /// The bytes in `queue.bodies`.
    bodies: usize,
    in_transit: usize,
    /// All bytes that have ever been written: the base of positions in the stream, which show whether the request of
    /// a timed-out call was sent.
    written: u64,
}

/// The least size in bytes of a shared body. Smaller ones are copied behind the envelope.
const LARGE: usize = 1024;
/// The initial space for a frame, in bytes. Most frames need no more.
const ROOM: usize = 256;
/// A buffer that has grown beyond this size, in bytes, is not reused.
pub(super) const KEPT: usize = 64 * 1024;

impl Outbox {
    /// Returns all bytes that the peer has not read yet, as far as we know.
    pub(super) fn held(&self) -> usize {
        self.queue.buffer.len() + self.bodies + self.in_transit
    }

    /// Returns the end of the queue, as a position in the stream.
    pub(super) fn end(&self) -> u64 {
        self.written + self.held() as u64
    }

    /// Returns whether everything up to this position has been written.
    pub(super) const fn is_written(&self, end: u64) -> bool {
        self.written >= end
    }

    /// Returns whether the queue is empty.
    pub(super) const fn is_empty(&self) -> bool {
        // A body follows its header, so the queue begins in the buffer.
        self.queue.buffer.is_empty()
    }

    /// Begins a frame. Returns the buffer for its payload, and where the frame begins in it.
    pub(super) fn begin(&mut self) -> (&mut Vec<u8>, usize) {
        let buffer = &mut self.queue.buffer;
        if buffer.capacity() - buffer.len() < ROOM {
            buffer.reserve(ROOM);
        }
        let start = buffer.len();
        buffer.extend_from_slice(&[0; HEADER]);
        (buffer, start)
    }

    /// Completes the frame that begins at `start`, with a payload of `length` bytes.
    pub(super) fn finish(&mut self, start: usize, length: usize) {
        // The caller has checked the length against a limit below 4 GiB.
        let header = (length as u32).to_be_bytes();
        self.queue.buffer[start..start + HEADER].copy_from_slice(&header);
    }

    /// Puts an encoded body and its tail into the frame that is being written.
    #[inline]
    pub(super) fn put(&mut self, body: &Body, tail: &[u8]) {
        match body.few() {
            Some(bytes) => self.queue.buffer.extend_from_slice(bytes),
            None => self.put_parts(body),
        }
        if !tail.is_empty() {
            self.queue.buffer.extend_from_slice(tail);
        }
    }

    #[inline(never)]
    fn put_parts(&mut self, body: &Body) {
        let buffer = &mut self.queue.buffer;
        body.for_each_part(|bytes, shared| match shared {
            Some(body) if body.len() >= LARGE => {
                self.bodies += body.len();
                self.queue.bodies.push_back((buffer.len(), body.clone()));
            }
            _ => buffer.extend_from_slice(bytes),
        });
    }

    /// Removes the frame that begins at `start`.
    pub(super) fn cancel(&mut self, start: usize) {
        self.queue.buffer.truncate(start);
    }

    /// Moves the queue into `transmit`, if that has been written, and reuses its buffer.
    ///
    /// Only one transmit may be under way: with more, `in_transit` could not attribute the written bytes, and a slow
    /// peer would keep any number of buffers.
    pub(super) fn take(&mut self, transmit: &mut Transmit) -> bool {
        // A body follows its header, so the queue begins in the buffer.
        if self.queue.buffer.is_empty() || transmit.has_remaining() {
            return false;
        }
        self.in_transit = self.held();
        self.bodies = 0;
        std::mem::swap(&mut self.queue.buffer, &mut transmit.buffer);
        transmit.at = 0;
        if !self.queue.bodies.is_empty() {
            std::mem::swap(&mut self.queue.bodies, &mut transmit.bodies);
        }
        if self.queue.buffer.capacity() > KEPT {
            self.queue.buffer = Vec::new();
        } else {
            self.queue.buffer.clear();
        }
        true
    }

    /// Records that `bytes` have been written. More than were taken count as all.
    pub(super) fn transmitted(&mut self, bytes: usize) {
        let bytes = bytes.min(self.in_transit);
        self.in_transit -= bytes;
        self.written += bytes as u64;
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(outbox: &mut Outbox, head: &[u8], body: &[u8], tail: &[u8]) -> Vec<u8> {
        let (out, start) = outbox.begin();
        out.extend_from_slice(head);
        let format = crate::wire::Format::MsgPack;
        outbox.put(&Body::from_encoded(format, Bytes::copy_from_slice(body)), tail);
        let payload = [head, body, tail].concat();
        outbox.finish(start, payload.len());
        [&(payload.len() as u32).to_be_bytes(), &payload[..]].concat()
    }

    /// Any sizes of writes keep the bytes in order.
    #[test]
    fn large_bodies_stay_in_their_places() {
        let large: Vec<u8> = (0..3 * LARGE).map(|i| i as u8).collect();
        for step in [1, 2, 7, 1023, 1024, 1025, 3000, 100_000] {
            let mut outbox = Outbox::default();
            let mut expected = Vec::new();
            for body in [&large[..10], &large, &large[1..], b"", &large[..LARGE], b"x"] {
                expected.extend(frame(&mut outbox, b"<", body, b">"));
            }
            assert_eq!(outbox.held(), expected.len());
            let mut transmit = Transmit::default();
            assert!(outbox.take(&mut transmit));
            assert_eq!(transmit.remaining(), expected.len());
            let mut written = Vec::new();
            while transmit.has_remaining() {
                let mut slices = [IoSlice::new(&[]); 3];
                let count = transmit.chunks_vectored(&mut slices);
                assert_eq!(&*slices[0], transmit.chunk());
                let bytes = slices[..count].iter().flat_map(|slice| slice.to_vec());
                let before = written.len();
                written.extend(bytes.take(step));
                let count = written.len() - before;
                transmit.advance(count);
                outbox.transmitted(count);
            }
            assert!(written == expected, "in steps of {step}");
            assert_eq!(outbox.held(), 0);
            assert!(!outbox.take(&mut transmit));
        }
    }

    #[test]
    fn a_buffer_is_used_again_but_not_kept_for_ever() {
        let (mut outbox, mut transmit) = (Outbox::default(), Transmit::default());
        frame(&mut outbox, &[0; 100], b"", b"");
        assert!(outbox.take(&mut transmit));
        frame(&mut outbox, b"more", b"", b"");
        assert!(!outbox.take(&mut transmit), "it has not been written");
        transmit.advance(transmit.remaining());
        assert!(outbox.take(&mut transmit));
        assert!(outbox.queue.buffer.capacity() >= 100);
        frame(&mut outbox, &vec![0; KEPT + 1], b"", b"");
        transmit.advance(transmit.remaining());
        assert!(outbox.take(&mut transmit));
        transmit.advance(transmit.remaining());
        frame(&mut outbox, b"", b"", b"");
        assert!(outbox.take(&mut transmit));
        assert_eq!(outbox.queue.buffer.capacity(), 0);
    }
}
