//! A pool of large buffers for reuse, one per thread.
//!
//! The allocator gets memory of this size from the operating system page by page and returns it as soon as it is free.
//! Per message, that costs several times as much as copying the content. Each thread therefore keeps a few buffers.

use std::cell::RefCell;

use bytes::{Bytes, BytesMut};

/// The size in bytes from which a frame has a buffer of its own.
pub const LARGE: usize = 256 * 1024;
/// The capacity in bytes from which a buffer is reused.
const WORTH: usize = 32 * 1024;
/// The most bytes that the pool of a thread keeps.
const KEPT: usize = 8 * 1024 * 1024;
/// The most input buffers, of at least [`LARGE`] bytes each, that a thread keeps.
const INPUTS: usize = 8;

thread_local! {
    static POOL: RefCell<BufferPool> = const { RefCell::new(BufferPool::new()) };
}

/// The free buffers of a thread, the oldest first.
struct BufferPool {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
    /// Buffers that streams are read into. Frames may still share their memory.
    inputs: Vec<BytesMut>,
}

impl BufferPool {
    const fn new() -> Self {
        Self { buffers: Vec::new(), bytes: 0, inputs: Vec::new() }
    }

    fn take_input(&mut self, room: usize) -> Option<BytesMut> {
        let free = self.inputs.iter_mut().rposition(|input| input.try_reclaim(room))?;
        Some(self.inputs.remove(free))
    }

    fn release_input(&mut self, input: BytesMut) {
        if self.inputs.len() == INPUTS {
            self.inputs.remove(0);
        }
        self.inputs.push(input);
    }

    fn take(&mut self, capacity: usize) -> Option<Vec<u8>> {
        // A much larger buffer would waste memory for as long as the message lives.
        let most = capacity.saturating_add(capacity / 8);
        let fits = |buffer: &Vec<u8>| (capacity..=most).contains(&buffer.capacity());
        let buffer = self.buffers.remove(self.buffers.iter().rposition(fits)?);
        self.bytes -= buffer.capacity();
        Some(buffer)
    }

    fn release(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        self.bytes += buffer.capacity();
        self.buffers.push(buffer);
        while self.bytes > KEPT {
            self.bytes -= self.buffers.remove(0).capacity();
        }
    }
}

/// Capacities are multiples of this, so that buffers of similar size are interchangeable.
const STEP: usize = WORTH / 8;

/// Returns an empty buffer with room for `capacity` bytes, and not much more.
fn take(capacity: usize) -> Vec<u8> {
    let capacity = capacity.checked_next_multiple_of(STEP).unwrap_or(capacity);
    let pool = (capacity >= WORTH)
        .then(|| POOL.try_with(|pool| pool.borrow_mut().take(capacity)).ok().flatten())
        .flatten();
    pool.unwrap_or_else(|| Vec::with_capacity(capacity))
}

/// Returns a buffer to the pool.
fn release(buffer: Vec<u8>) {
    if (WORTH..=KEPT).contains(&buffer.capacity()) {
        // The pool of a thread that is ending no longer exists.
        let _kept = POOL.try_with(|pool| pool.borrow_mut().release(buffer));
    }
}

/// Reserves `additional` bytes in `buffer`, and some spare, if `additional` is large.
#[inline]
pub fn reserve(buffer: &mut Vec<u8>, additional: usize) {
    if additional >= WORTH {
        reserve_many(buffer, additional + FEW);
    }
}

/// The spare bytes reserved for what follows a large value.
const FEW: usize = 1024;

#[inline(never)]
fn reserve_many(buffer: &mut Vec<u8>, additional: usize) {
    if buffer.capacity() - buffer.len() < additional {
        // Exact for one large value; doubled if many are appended.
        let wanted = buffer.len().saturating_add(additional).max(2 * buffer.len());
        let mut larger = take(wanted);
        larger.extend_from_slice(buffer);
        release(std::mem::replace(buffer, larger));
    }
}

/// Returns an empty buffer for a frame of `length` bytes.
pub fn frame(length: usize) -> BytesMut {
    // The memory has a single owner, so the conversion copies nothing.
    Bytes::from(take(length)).into()
}

/// Returns an empty buffer for reading a stream.
///
/// Its capacity is at least [`LARGE`] and at least `room` bytes.
pub fn input(room: usize) -> BytesMut {
    let room = room.max(LARGE);
    let pool = POOL.try_with(|pool| pool.borrow_mut().take_input(room)).ok().flatten();
    pool.unwrap_or_else(|| BytesMut::with_capacity(room))
}

/// Returns a buffer taken with [`input`] to the pool.
///
/// The pool reuses the buffer after all frames in it are dropped.
pub fn release_input(mut input: BytesMut) {
    input.clear();
    // The pool of a thread that is ending no longer exists.
    let _kept = POOL.try_with(|pool| pool.borrow_mut().release_input(input));
}

/// Freezes `buffer`; the memory returns to the pool when the last reference is dropped.
pub fn pooled(buffer: impl Into<Bytes>) -> Bytes {
    let buffer = BytesMut::from(buffer.into());
    if buffer.capacity() < WORTH { buffer.freeze() } else { Bytes::from_owner(Pooled(buffer)) }
}

/// Returns the scratch buffer that a thread keeps: `buffer` if small, else an empty one.
#[inline]
pub fn scratch(buffer: Vec<u8>) -> Vec<u8> {
    if buffer.capacity() <= WORTH { buffer } else { Vec::new() }
}

struct Pooled(BytesMut);

impl AsRef<[u8]> for Pooled {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        // An empty buffer converts to a `Vec` without a copy.
        self.0.clear();
        release(std::mem::take(&mut self.0).into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> usize {
        POOL.with_borrow(|pool| {
            assert_eq!(pool.bytes, pool.buffers.iter().map(Vec::capacity).sum::<usize>());
            pool.bytes
        })
    }

    #[test]
    fn what_was_lent_is_used_again() {
        let mut buffer = b"a".to_vec();
        reserve(&mut buffer, LARGE);
        buffer.resize(LARGE, b'b');
        let place = buffer.as_ptr();
        let lent = pooled(buffer);
        let part = lent.slice(1..2);
        drop(lent);
        assert_eq!((&part[..], kept()), (&b"b"[..], 0));
        drop(part);
        assert_eq!(kept(), LARGE + STEP);

        let input = frame(LARGE - 2);
        assert_eq!((input.len(), input.as_ptr(), kept()), (0, place, 0));
        drop(pooled(input));
        assert_eq!(kept(), LARGE + STEP);
    }

    #[test]
    fn inputs_are_used_again_when_their_frames_are_gone() {
        let mut one = input(100);
        one.extend_from_slice(b"frame");
        let (place, frame) = (one.as_ptr(), one.split_to(3).freeze());
        release_input(one);
        assert_ne!(input(100).as_ptr(), place, "there is a frame in it");
        drop(frame);
        let again = input(100);
        assert_eq!((again.as_ptr(), again.len()), (place, 0));
        assert!(again.capacity() >= LARGE);
        (0..3 * INPUTS).map(|_| BytesMut::new()).for_each(release_input);
        POOL.with_borrow(|pool| assert_eq!(pool.inputs.len(), INPUTS));
    }

    #[test]
    fn many_large_values_are_not_copied_again_with_each() {
        let (mut buffer, mut moved) = (Vec::new(), 0);
        for _ in 0..200 {
            let place = buffer.as_ptr();
            reserve(&mut buffer, WORTH);
            moved += usize::from(buffer.as_ptr() != place);
            buffer.resize(buffer.len() + WORTH, 0);
        }
        assert!(moved <= 10, "{moved}");
    }

    #[test]
    fn what_is_kept_is_bounded_and_fits() {
        for _ in 0..20 {
            let buffers = [WORTH - 1, WORTH, 3 * LARGE, KEPT, KEPT + 1].map(Vec::with_capacity);
            buffers.into_iter().for_each(release);
            assert!(kept() <= KEPT);
        }
        release(Vec::with_capacity(2 * LARGE));
        let before = kept();
        assert_eq!(take(LARGE).capacity(), LARGE, "not one that is twice as large");
        assert_eq!(take(2 * LARGE - 10).capacity(), 2 * LARGE);
        assert_eq!(kept(), before - 2 * LARGE);
    }
}
