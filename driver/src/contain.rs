//! Contains panics of user code.
//!
//! The driver runs unknown code: methods, hooks, callbacks, checks, futures, wakers of other executors, and the drops
//! of all of them. Such code runs through this module only, so that a panic ends the code that panicked and nothing
//! else: no flag stays set, no queue stalls, and the next waker is woken.

use std::any::Any;
use std::fmt;
use std::future::{Future, poll_fn};
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::host::BoxFuture;
use super::panics;
use super::trace;
use aiomas_core::wire::RemoteError;

/// Runs user code. A panic becomes a failure for the caller.
pub(super) fn contain<R>(run: impl FnOnce() -> R) -> Result<R, RemoteError> {
    catch_unwind(AssertUnwindSafe(run)).map_err(panicked)
}

/// Runs user code whose failure has no addressee. A panic is only traced.
pub(super) fn undisturbed(run: impl FnOnce()) {
    let _panic = contain(run);
}

/// Drops a value of the program.
pub(super) fn discard<T>(value: T) {
    undisturbed(|| drop(value));
}

/// Wakes a task, which may belong to another executor.
pub(super) fn wake(waker: Waker) {
    undisturbed(|| waker.wake());
}

/// Wakes all tasks, even if a waker panics.
pub(super) fn wake_all(wakers: impl IntoIterator<Item = Waker>) {
    let mut wakers = wakers.into_iter();
    // A waker leaves the iterator before it can panic.
    while contain(|| wakers.by_ref().for_each(Waker::wake)).is_err() {}
}

#[cold]
fn panicked(payload: Box<dyn Any + Send>) -> RemoteError {
    panics::contained(&*payload);
    let error = RemoteError::panic(panics::text(&*payload));
    // The subscriber and the payload are user code, too. A payload that panics when dropped leaves a second payload,
    // which is leaked, because it could do the same.
    let rest = catch_unwind(AssertUnwindSafe(|| {
        trace::panicked(&error);
        drop(payload);
    }));
    if let Err(second) = rest {
        std::mem::forget(second);
    }
    error
}

/// A value of the program. A panic during its drop is contained.
pub(super) struct Contained<T>(
    /// Present, except during the drop.
    Option<T>,
);

impl<T> Contained<T> {
    pub(super) const fn new(value: T) -> Self {
        Self(Some(value))
    }

    pub(super) fn into_inner(mut self) -> T {
        match self.0.take() {
            Some(value) => value,
            None => unreachable!("the value is there until it is dropped"),
        }
    }
}

impl<T> Deref for Contained<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.0 {
            Some(value) => value,
            None => unreachable!("the value is there until it is dropped"),
        }
    }
}

impl<T> DerefMut for Contained<T> {
    fn deref_mut(&mut self) -> &mut T {
        match &mut self.0 {
            Some(value) => value,
            None => unreachable!("the value is there until it is dropped"),
        }
    }
}

impl<T> Drop for Contained<T> {
    fn drop(&mut self) {
        if let Some(value) = self.0.take() {
            discard(value);
        }
    }
}

impl<T> fmt::Debug for Contained<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Contained")
    }
}

impl<F: Future + ?Sized> Contained<Pin<Box<F>>> {
    /// Polls the future. A panic ends it.
    #[inline]
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<F::Output, RemoteError>> {
        match contain(|| self.as_mut().poll(cx)) {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

/// Wraps a task of the program. A panic ends the task, and nothing else.
pub(super) fn alone(task: impl Future<Output = ()> + Send + 'static) -> BoxFuture<()> {
    let mut task = Contained::new(Box::pin(task));
    Box::pin(poll_fn(move |cx| task.poll(cx).map(drop)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    /// Panics when dropped.
    struct Bomb(u32);

    impl Drop for Bomb {
        fn drop(&mut self) {
            if self.0 > 0 {
                std::panic::panic_any(Self(self.0 - 1));
            }
        }
    }

    #[test]
    fn payloads_that_panic_are_contained() {
        for depth in 0..4 {
            let error = contain(|| std::panic::panic_any(Bomb(depth))).expect_err("a panic");
            assert_eq!(error.kind(), "Panic");
            discard(Bomb(depth));
            drop(Contained::new(Bomb(depth)));
        }
        assert_eq!(contain(|| 5).ok(), Some(5));
    }

    struct Woken {
        count: AtomicUsize,
        panics: bool,
    }

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.count.fetch_add(1, Ordering::Relaxed);
            assert!(!self.panics, "a waker");
        }
    }

    #[test]
    fn all_are_woken_whatever_one_does() {
        let wakers = [true, false, true, true, false]
            .map(|panics| Arc::new(Woken { count: AtomicUsize::new(0), panics }));
        wake_all(wakers.clone().map(Waker::from));
        assert!(wakers.iter().all(|woken| woken.count.load(Ordering::Relaxed) == 1));
    }
}
