//! Cancellable tasks.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use super::contain::{Contained, wake};
use super::host::BoxFuture;
use super::lock::lock;
use super::wakers::{Registration, WakerSet};

/// Cancels a task when dropped. The task's future is dropped at once or, while it is being polled, at its next await.
///
/// Runtimes differ in how dropping a task handle acts, so the future lives in shared state that both sides reach.
/// During a poll it is out of that state, and the lock is free: the task may cancel itself, and its future, when
/// dropped, may own the canceller of another task.
pub(super) struct Canceller(Arc<Mutex<State>>);

/// See [`cancellable`].
struct Cancellable(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// Taken out during a poll.
    future: Option<Contained<BoxFuture<()>>>,
    cancelled: bool,
    /// The future is dropped.
    ended: bool,
    waker: Option<Waker>,
    /// The tasks that wait for the end.
    waiting: Arc<WakerSet>,
}

/// Wraps `future`, so that dropping the canceller ends it early.
pub(super) fn cancellable(
    future: impl Future<Output = ()> + Send + 'static,
) -> (Canceller, BoxFuture<()>) {
    let future: BoxFuture<()> = Box::pin(future);
    let state = State { future: Some(Contained::new(future)), ..State::default() };
    let state = Arc::new(Mutex::new(state));
    (Canceller(state.clone()), Box::pin(Cancellable(state)))
}

impl Future for Cancellable {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let future = {
            let mut state = lock(&self.0);
            state.waker = Some(cx.waker().clone());
            state.future.take()
        };
        let Some(mut future) = future else { return Poll::Ready(()) };
        if future.as_mut().poll(cx).is_pending() {
            let mut state = lock(&self.0);
            if !state.cancelled {
                state.future = Some(future);
                return Poll::Pending;
            }
        }
        // Dropped without the lock, because the future may own a canceller.
        drop(future);
        State::end(&self.0);
        Poll::Ready(())
    }
}

impl State {
    fn end(state: &Mutex<Self>) {
        let waiting = {
            let mut state = lock(state);
            state.ended = true;
            state.waiting.clone()
        };
        waiting.wake();
    }
}

impl Canceller {
    /// Cancels the task.
    pub(super) fn cancel(&self) {
        let (future, waker) = {
            let mut state = lock(&self.0);
            state.cancelled = true;
            (state.future.take(), state.waker.take())
        };
        if future.is_some() {
            drop(future);
            State::end(&self.0);
        }
        if let Some(waker) = waker {
            wake(waker);
        }
    }

    /// Waits until the task has ended, and its future is dropped. The task ends by itself, by cancellation or with its
    /// runtime.
    pub(super) async fn join(&self) {
        let mut waiting = Registration::new(lock(&self.0).waiting.clone());
        poll_fn(|cx| {
            waiting.register(cx);
            if lock(&self.0).ended { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }

    /// Cancels the task, and waits until its future is dropped.
    pub(super) async fn stop(self) {
        self.cancel();
        self.join().await;
    }
}

/// Marks the end also when the runtime ends before the task does.
impl Drop for Cancellable {
    fn drop(&mut self) {
        let future = lock(&self.0).future.take();
        drop(future);
        State::end(&self.0);
    }
}

impl Drop for Canceller {
    fn drop(&mut self) {
        self.cancel();
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[test]
    fn what_a_task_holds_is_dropped_with_its_canceller() {
        let held = Arc::new(());
        let holding = held.clone();
        let (canceller, mut task) = cancellable(async move {
            pending::<()>().await;
            drop(holding);
        });
        let mut cx = Context::from_waker(Waker::noop());
        assert!(task.as_mut().poll(&mut cx).is_pending());
        assert_eq!(Arc::strong_count(&held), 2);
        drop(canceller);
        assert_eq!(Arc::strong_count(&held), 1);
        assert!(task.as_mut().poll(&mut cx).is_ready());
    }

    #[test]
    fn a_task_may_cancel_itself() {
        let slot = Arc::new(Mutex::new(None));
        let own = slot.clone();
        let (canceller, mut task) = cancellable(async move {
            let canceller = own.lock().unwrap().take();
            drop(canceller);
            pending::<()>().await;
        });
        *slot.lock().unwrap() = Some(canceller);
        assert!(task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
        assert_eq!(Arc::strong_count(&slot), 1);
    }
}
