//! Large buffers that are used again.
//!
//! Memory of their size comes from the system page by page, and goes back to it as soon as it is free; with each message,
//! that costs several times as much as to copy what is in it. So each thread keeps a few of them.

use std::cell::RefCell;

use bytes::{Bytes, BytesMut};

/// From this size on a buffer is used again, and a frame has one for itself.
pub(crate) const LARGE: usize = 256 * 1024;
/// A thread keeps so many bytes at most.
const KEPT: usize = 8 * 1024 * 1024;

thread_local! {
    static SPARE: RefCell<Spare> = const { RefCell::new(Spare { buffers: Vec::new(), bytes: 0 }) };
}

/// What is there to be used again, the oldest first.
struct Spare {
    buffers: Vec<Vec<u8>>,
    bytes: usize,
}

impl Spare {
    fn take(&mut self, capacity: usize) -> Option<Vec<u8>> {
        // One that is much too large would be held for too little.
        let most = capacity.saturating_add(capacity / 8);
        let fits = |buffer: &Vec<u8>| (capacity..=most).contains(&buffer.capacity());
        let buffer = self.buffers.remove(self.buffers.iter().rposition(fits)?);
        self.bytes -= buffer.capacity();
        Some(buffer)
    }

    fn put(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        self.bytes += buffer.capacity();
        self.buffers.push(buffer);
        while self.bytes > KEPT {
            self.bytes -= self.buffers.remove(0).capacity();
        }
    }
}

/// Their sizes are multiples of this, so that those of about the same size can stand in for each other.
const STEP: usize = LARGE / 8;

/// An empty buffer with room for `capacity` bytes, and not much more.
fn take(capacity: usize) -> Vec<u8> {
    let capacity = capacity.checked_next_multiple_of(STEP).unwrap_or(capacity);
    let spare = (capacity >= LARGE)
        .then(|| SPARE.try_with(|spare| spare.borrow_mut().take(capacity)).ok().flatten())
        .flatten();
    spare.unwrap_or_else(|| Vec::with_capacity(capacity))
}

/// Keeps a buffer for the next one who needs such.
fn put(buffer: Vec<u8>) {
    if (LARGE..=KEPT).contains(&buffer.capacity()) {
        // A thread that ends keeps nothing.
        let _kept = SPARE.try_with(|spare| spare.borrow_mut().put(buffer));
    }
}

/// Makes room for `additional` bytes in `buffer`, and for a few more; only if they are many.
#[inline]
pub(crate) fn reserve(buffer: &mut Vec<u8>, additional: usize) {
    if additional >= LARGE {
        reserve_many(buffer, additional + FEW);
    }
}

/// So much may come behind a large value.
const FEW: usize = 1024;

#[inline(never)]
fn reserve_many(buffer: &mut Vec<u8>, additional: usize) {
    if buffer.capacity() - buffer.len() < additional {
        let mut larger = take(buffer.len().saturating_add(additional));
        larger.extend_from_slice(buffer);
        put(std::mem::replace(buffer, larger));
    }
}

/// Makes room for `additional` bytes to be read.
pub(crate) fn reserve_input(input: &mut BytesMut, additional: usize) {
    if input.capacity() - input.len() < additional {
        let mut larger = take(input.len().saturating_add(additional));
        larger.extend_from_slice(input);
        // This copies nothing: nobody else has them.
        *input = Bytes::from(larger).into();
    }
}

/// The content of `buffer`, which is used again when nobody has it any more.
pub(crate) fn lend(buffer: impl Into<Bytes>) -> Bytes {
    let buffer = BytesMut::from(buffer.into());
    if buffer.capacity() < LARGE { buffer.freeze() } else { Bytes::from_owner(Lent(buffer)) }
}

struct Lent(BytesMut);

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // Nothing is copied that way.
        self.0.clear();
        put(std::mem::take(&mut self.0).into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> usize {
        SPARE.with_borrow(|spare| {
            assert_eq!(spare.bytes, spare.buffers.iter().map(Vec::capacity).sum::<usize>());
            spare.bytes
        })
    }

    #[test]
    fn what_was_lent_is_used_again() {
        let mut buffer = b"a".to_vec();
        reserve(&mut buffer, LARGE);
        buffer.resize(LARGE, b'b');
        let place = buffer.as_ptr();
        let lent = lend(buffer);
        let part = lent.slice(1..2);
        drop(lent);
        assert_eq!((&part[..], kept()), (&b"b"[..], 0));
        drop(part);
        assert_eq!(kept(), LARGE + STEP);

        let mut input = BytesMut::from(&b"cd"[..]);
        reserve_input(&mut input, LARGE - 2);
        assert_eq!((&input[..], input.as_ptr(), kept()), (&b"cd"[..], place, 0));
        drop(lend(input));
        assert_eq!(kept(), LARGE + STEP);
    }

    #[test]
    fn what_is_kept_is_bounded_and_fits() {
        for _ in 0..20 {
            let buffers = [LARGE - 1, LARGE, 3 * LARGE, KEPT, KEPT + 1].map(Vec::with_capacity);
            buffers.into_iter().for_each(put);
            assert!(kept() <= KEPT);
        }
        put(Vec::with_capacity(2 * LARGE));
        let before = kept();
        assert_eq!(take(LARGE).capacity(), LARGE, "not one that is twice as large");
        assert_eq!(take(2 * LARGE - 10).capacity(), 2 * LARGE);
        assert_eq!(kept(), before - 2 * LARGE);
    }
}
