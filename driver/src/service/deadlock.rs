//! Detection of reentrant calls: a call that waits for an agent in its own call chain would wait for itself.

use std::cell::RefCell;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use crate::later::{Answer, Later};

thread_local! {
    static CURRENT: RefCell<Option<Arc<Frame>>> = const { RefCell::new(None) };
}

/// A call that an agent is running. The frame is dropped when the call ends, because then no caller waits for the calls
/// within it.
struct Frame {
    agent: usize,
    /// The enclosing call.
    outer: Option<Weak<Self>>,
}

/// Returns whether the running code is part of a call to this agent.
pub(super) fn contains(agent: usize) -> bool {
    let mut frame = CURRENT.with_borrow(Clone::clone);
    while let Some(call) = frame {
        if call.agent == agent {
            return true;
        }
        frame = call.outer.as_ref().and_then(Weak::upgrade);
    }
    false
}

/// Wraps `later`, the rest of a call to `agent`, in a frame.
pub(super) fn track(agent: usize, mut later: Later) -> Later {
    let outer = CURRENT.with_borrow(|current| current.as_ref().map(Arc::downgrade));
    let frame = Arc::new(Frame { agent, outer });
    Box::pin(std::future::poll_fn(move |cx| run(&frame, &mut later, cx)))
}

/// Runs code that the current call does not wait for.
pub(super) fn outside<R>(run: impl FnOnce() -> R) -> R {
    let _restore = Restore(CURRENT.take());
    run()
}

/// Restores the outer call, also when user code panics.
struct Restore(Option<Arc<Frame>>);

impl Drop for Restore {
    fn drop(&mut self) {
        CURRENT.set(self.0.take());
    }
}

fn run(frame: &Arc<Frame>, later: &mut Later, cx: &mut Context<'_>) -> Poll<Answer> {
    let _restore = Restore(CURRENT.replace(Some(frame.clone())));
    later.as_mut().poll(cx)
}
