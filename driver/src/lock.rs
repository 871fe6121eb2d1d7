//! Locks. No user code runs under one, so a poisoned lock guards a state that is as good as ever.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Takes a lock, whatever became of those who held it before.
#[inline]
pub(super) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
