//! The right to run one call on a value.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::access_queue::AccessQueue;
use aiomas_core::rpc::Access;

/// The permit for one call, with its value. Dropping it lets the next call start.
pub(super) struct Guard<T, G: Deref<Target = AccessQueue<T>>> {
    queue: G,
    access: Access,
    /// Present, except during the drop.
    value: Option<Arc<T>>,
}

/// A guard that a future owns.
pub(super) type OwnGuard<T> = Guard<T, Arc<AccessQueue<T>>>;

impl<T, G: Deref<Target = AccessQueue<T>>> Guard<T, G> {
    /// Creates the guard of a call with granted access.
    pub(super) const fn new(queue: G, access: Access, value: Option<Arc<T>>) -> Self {
        Self { queue, access, value }
    }
}

impl<T> Guard<T, &AccessQueue<T>> {
    /// Converts the guard into one that a future owns.
    pub(super) fn into_own(mut self, queue: Arc<AccessQueue<T>>) -> OwnGuard<T> {
        let own = Guard { queue, access: self.access, value: self.value.take() };
        // The call goes on, so nothing is released. The forgotten part is a reference.
        std::mem::forget(self);
        own
    }
}

impl<T, G: Deref<Target = AccessQueue<T>>> Guard<T, G> {
    pub(super) fn get(&self) -> &T {
        match &self.value {
            Some(value) => value,
            // The value is returned before the queue grants the next call.
            None => unreachable!("the value is there while a call runs"),
        }
    }

    pub(super) fn get_mut(&mut self) -> &mut T {
        match self.value.as_mut().and_then(Arc::get_mut) {
            Some(value) => value,
            // The queue grants no other call, and earlier calls have returned the value.
            None => unreachable!("an exclusive call has the value for itself"),
        }
    }
}

impl<T, G: Deref<Target = AccessQueue<T>>> Drop for Guard<T, G> {
    fn drop(&mut self) {
        self.queue.release(self.access, self.value.take());
    }
}

/// Shared access to a value during one call; other shared calls run concurrently.
pub struct Shared<T>(pub(super) OwnGuard<T>);

impl<T> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.get()
    }
}

/// Exclusive access to a value during one call.
pub struct Exclusive<T>(pub(super) OwnGuard<T>);

impl<T> Deref for Exclusive<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.get()
    }
}

impl<T> DerefMut for Exclusive<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_mut()
    }
}

impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shared").field(&std::any::type_name::<T>()).finish()
    }
}

impl<T> fmt::Debug for Exclusive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Exclusive").field(&std::any::type_name::<T>()).finish()
    }
}
