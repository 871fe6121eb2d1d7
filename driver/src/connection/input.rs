//! Unprocessed input of a stream: how much to read, and into which memory.
//!
//! The buffer depends on how much arrives at a time:
//!
//! - up to 32 KiB, the connection's own buffer. Messages are sliced out of it without a copy, so it is reused only when
//!   all of them are dropped (`try_reclaim`), and freed when the connection is idle: an idle connection costs no
//!   buffer.
//! - more, one of a few buffers of 256 KiB shared by the thread's connections. Memory of that size comes from the
//!   system page by page; faulting it in for each read costs more than copying its content.
//! - for a frame of 256 KiB or more, a fitting buffer of its own, which becomes the message without a copy. It grows
//!   with the received bytes (`TRUST`), because a header is only a promise: four bytes must not make us reserve a
//!   gigabyte.

use bytes::BytesMut;

use aiomas_core::internal::{buffer_pool, missing};

/// The minimum and initial size of a read.
const MIN_READ: usize = 4 * 1024;
/// Larger reads use pooled buffers, up to their capacity.
const MIDDLE_READ: usize = 32 * 1024;
/// The maximum size of a read, except for a large frame with its own buffer.
const MAX_READ: usize = buffer_pool::LARGE;
/// The trusted size of a large frame after its first [`MIN_READ`] bytes.
const TRUSTED: usize = 2 * 1024 * 1024;
/// The trusted size thereafter, as a multiple of the received bytes.
const TRUST: usize = 8;

/// The buffer that a stream is read into.
pub(super) struct Input {
    pub(super) bytes: BytesMut,
    /// The size of the next read: doubled after a full read, halved after an empty one.
    size: usize,
    /// True for a pooled buffer.
    pooled: bool,
}

impl Default for Input {
    fn default() -> Self {
        Self { bytes: BytesMut::new(), size: MIN_READ, pooled: false }
    }
}

impl Input {
    /// Makes room for the next read, and returns the size of the room.
    #[inline]
    pub(super) fn make_room(&mut self) -> usize {
        let (come, room) = (self.bytes.len(), self.bytes.capacity() - self.bytes.len());
        let little = room < self.size / 4;
        if come >= MIN_READ && come + missing(&self.bytes) >= buffer_pool::LARGE {
            self.make_room_for_large(little);
        } else if !little {
            return room;
        } else if self.size <= MIDDLE_READ && !self.pooled {
            // The buffer grows with the received bytes, not with the announced ones. (`reserve` would double it, even
            // for the few bytes left from earlier input.)
            if !self.bytes.try_reclaim(self.size) {
                self.change(BytesMut::with_capacity(come + self.size), false);
            }
        } else if !self.bytes.try_reclaim(self.size) {
            self.change(buffer_pool::input(come + self.size), true);
        }
        self.bytes.capacity() - self.bytes.len()
    }

    #[cold]
    fn make_room_for_large(&mut self, little: bool) {
        let (come, missing) = (self.bytes.len(), missing(&self.bytes));
        // Bytes behind the frame do not belong in its buffer.
        self.size = MIN_READ;
        let trusted = missing.min(TRUSTED.max(come.saturating_mul(TRUST)));
        if (little || trusted == missing) && self.bytes.capacity() - come < trusted {
            self.change(buffer_pool::frame(come + trusted), false);
        }
    }

    /// Continues in another buffer.
    fn change(&mut self, mut next: BytesMut, pooled: bool) {
        next.extend_from_slice(&self.bytes);
        let bytes = std::mem::replace(&mut self.bytes, next);
        if std::mem::replace(&mut self.pooled, pooled) {
            buffer_pool::release_input(bytes);
        }
    }

    /// Grows the read size after a read. `all`: it filled the room.
    #[inline]
    pub(super) fn grow(&mut self, all: bool) {
        if all {
            self.size = (self.size * 2).min(MAX_READ);
        }
    }

    /// Shrinks the buffer after an empty read: an idle connection keeps no more than it needs.
    #[inline]
    pub(super) fn shrink(&mut self) {
        if self.bytes.is_empty()
            && (self.size > MIN_READ || self.bytes.try_reclaim(2 * MIN_READ + 1))
        {
            self.size = (self.size / 2).max(MIN_READ);
            self.change(BytesMut::new(), false);
        }
    }
}
