//! What has been read of a stream and not been taken: how much to read, and into which memory.
//!
//! There are three kinds of buffers, by how much comes at a time:
//!
//! - up to 32 KiB, one of the connection's own. Messages are sliced out of it without a copy, so it is used again only when
//!   all of them are gone (`try_reclaim`), and given back when the connection is idle: an idle one costs no buffer.
//! - more, one of a few of 256 KiB that the thread's connections share. Memory of that size comes from the system page by
//!   page; to fault it in for each read costs more than to copy what is in it.
//! - for a frame of 256 KiB or more, a buffer for itself that fits: it becomes the message without a copy. It grows with what
//!   has come (`TRUST`), since a header is only a promise: four bytes must not make us reserve a gigabyte.

use bytes::BytesMut;

use aiomas_core::internal::{buffer_pool, missing};

/// So much is read at a time at least, and to begin with.
const MIN_READ: usize = 4 * 1024;
/// What is read in larger pieces is read into buffers that are used again, as much as they hold.
const MIDDLE_READ: usize = 32 * 1024;
/// So much is read at a time at most, but of a large frame, which is read into a buffer for itself.
const MAX_READ: usize = buffer_pool::LARGE;
/// So much of a large frame is believed to come when [`MIN_READ`] of it have, ...
const TRUSTED: usize = 2 * 1024 * 1024;
/// ... and then so many times as much as has come.
const TRUST: usize = 8;

/// The buffer that a stream is read into.
pub(super) struct Input {
    pub(super) bytes: BytesMut,
    /// How much to ask for: doubled when it was all there, halved when there was nothing.
    size: usize,
    /// It is of those that are used again.
    pooled: bool,
}

impl Default for Input {
    fn default() -> Self {
        Self { bytes: BytesMut::new(), size: MIN_READ, pooled: false }
    }
}

impl Input {
    /// Makes room for what comes next, and says how much.
    #[inline]
    pub(super) fn make_room(&mut self) -> usize {
        let (come, room) = (self.bytes.len(), self.bytes.capacity() - self.bytes.len());
        let little = room < self.size / 4;
        if come >= MIN_READ && come + missing(&self.bytes) >= buffer_pool::LARGE {
            self.make_room_for_large(little);
        } else if !little {
            return room;
        } else if self.size <= MIDDLE_READ && !self.pooled {
            // The buffer grows with what comes, and not with what a header announces. (To reserve room would double
            // it, also for the few bytes that are left of what came before.)
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
        // What comes behind the frame does not belong into its buffer.
        self.size = MIN_READ;
        let trusted = missing.min(TRUSTED.max(come.saturating_mul(TRUST)));
        if (little || trusted == missing) && self.bytes.capacity() - come < trusted {
            self.change(buffer_pool::frame(come + trusted), false);
        }
    }

    /// Goes on in another buffer.
    fn change(&mut self, mut next: BytesMut, pooled: bool) {
        next.extend_from_slice(&self.bytes);
        let bytes = std::mem::replace(&mut self.bytes, next);
        if std::mem::replace(&mut self.pooled, pooled) {
            buffer_pool::release_input(bytes);
        }
    }

    /// Something has come; `all` that there was room for?
    #[inline]
    pub(super) fn grow(&mut self, all: bool) {
        if all {
            self.size = (self.size * 2).min(MAX_READ);
        }
    }

    /// Nothing more has come: an idle connection keeps no more than it needs.
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
