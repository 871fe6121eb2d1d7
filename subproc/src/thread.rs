//! Runs blocking work in threads of its own, because this crate is independent of runtimes.

use std::future::{Future, poll_fn};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::thread::Builder;

struct Slot<T>(Mutex<State<T>>);

struct State<T> {
    output: Option<T>,
    ended: bool,
    waker: Option<Waker>,
}

impl<T> Slot<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks the end of the thread when dropped, also after a panic.
struct Ended<T>(Arc<Slot<T>>);

impl<T> Drop for Ended<T> {
    fn drop(&mut self) {
        let waker = {
            let mut state = self.0.lock();
            state.ended = true;
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Runs `f` in a new thread at once; the future waits for its result.
///
/// If the future is dropped, the result of `f` is dropped when the thread ends.
pub(crate) fn run<T: Send + 'static>(
    f: impl FnOnce() -> T + Send + 'static,
) -> impl Future<Output = io::Result<T>> + Send + Unpin {
    let state = State { output: None, ended: false, waker: None };
    let slot = Arc::new(Slot(Mutex::new(state)));
    let ended = Ended(slot.clone());
    let started = Builder::new().name("aiomas-subproc".to_owned()).spawn(move || {
        let output = f();
        ended.0.lock().output = Some(output);
    });
    let mut failed = started.err();
    poll_fn(move |cx| {
        if let Some(error) = failed.take() {
            return Poll::Ready(Err(error));
        }
        let mut state = slot.lock();
        match state.output.take() {
            Some(output) => Poll::Ready(Ok(output)),
            None if state.ended => Poll::Ready(Err(io::Error::other("the thread panicked"))),
            None => {
                state.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Wake};
    use std::thread::{self, Thread};

    use super::*;

    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    fn block_on<T>(mut future: impl Future<Output = T> + Unpin) -> T {
        let waker = Arc::new(Unpark(thread::current())).into();
        loop {
            match std::pin::Pin::new(&mut future).poll(&mut Context::from_waker(&waker)) {
                Poll::Ready(output) => return output,
                Poll::Pending => thread::park(),
            }
        }
    }

    #[test]
    fn the_future_waits_for_the_thread() {
        let (sender, receiver) = std::sync::mpsc::channel();
        let running = run(move || receiver.recv());
        sender.send(5).expect("it is received");
        assert_eq!(block_on(running).expect("a result"), Ok(5));
    }

    #[test]
    fn a_panic_is_an_error() {
        let error = block_on(run(|| panic!("on purpose"))).expect_err("a panic");
        assert_eq!(error.to_string(), "the thread panicked");
    }

    #[test]
    fn unawaited_results_are_dropped() {
        let (sender, receiver) = std::sync::mpsc::channel::<()>();
        let (start, started) = std::sync::mpsc::channel::<()>();
        drop(run(move || {
            let _waits = started.recv();
            sender
        }));
        drop(start);
        assert!(receiver.recv().is_err());
    }
}
