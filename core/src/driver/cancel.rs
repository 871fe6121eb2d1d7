//! Tasks that can be stopped from outside.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use super::lock::lock;

/// Stops a task when it is dropped.
#[derive(Debug)]
pub(super) struct Canceller(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    cancelled: bool,
    waker: Option<Waker>,
}

/// Ends `future` early when the canceller is dropped: what it holds is dropped then, too.
pub(super) fn cancellable(
    future: impl Future<Output = ()> + Send,
) -> (Canceller, impl Future<Output = ()> + Send) {
    let state = Arc::<Mutex<State>>::default();
    let canceller = Canceller(state.clone());
    let task = async move {
        let mut future = pin!(future);
        poll_fn(|cx| {
            {
                let mut state = lock(&state);
                if state.cancelled {
                    return Poll::Ready(());
                }
                state.waker = Some(cx.waker().clone());
            }
            future.as_mut().poll(cx)
        })
        .await;
    };
    (canceller, task)
}

impl Drop for Canceller {
    fn drop(&mut self) {
        let waker = {
            let mut state = lock(&self.0);
            state.cancelled = true;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
