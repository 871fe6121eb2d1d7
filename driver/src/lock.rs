//! Locks. No user code runs under a lock, so a poisoned lock guards an intact state.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes a lock, also after a panic of an earlier holder.
#[inline]
pub(super) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
