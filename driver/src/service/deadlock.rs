//! Which agents the running code is called by: a call that has to wait for one of them would wait for
//! itself.

use std::cell::RefCell;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use crate::later::{Answer, Later};

thread_local! {
    static CURRENT: RefCell<Option<Arc<Frame>>> = const { RefCell::new(None) };
}

/// A call that an agent is busy with. It is gone when that has ended: then nobody waits for what was
/// called within it.
struct Frame {
    agent: usize,
    /// The call within which it was made.
    outer: Option<Weak<Self>>,
}

/// Whether the running code is part of a call to this agent.
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

/// A call to `agent` that goes on with `later`.
pub(super) fn track(agent: usize, mut later: Later) -> Later {
    let outer = CURRENT.with_borrow(|current| current.as_ref().map(Arc::downgrade));
    let frame = Arc::new(Frame { agent, outer });
    Box::pin(std::future::poll_fn(move |cx| run(&frame, &mut later, cx)))
}

/// Runs something for which the running code does not wait.
pub(super) fn outside<R>(run: impl FnOnce() -> R) -> R {
    let _restore = Restore(CURRENT.take());
    run()
}

/// Puts the outer call back, also when user code panics.
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
