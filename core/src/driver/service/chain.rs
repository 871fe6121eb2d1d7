//! Which agents the running code is called by: a call that has to wait for one of them would wait for
//! itself.

use std::cell::RefCell;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::driver::later::{Answer, Later};

thread_local! {
    static CURRENT: RefCell<Option<Arc<Frame>>> = const { RefCell::new(None) };
}

/// A call that an agent is busy with, and the one within which it was made.
struct Frame {
    agent: usize,
    outer: Option<Arc<Self>>,
}

/// Whether the running code is part of a call to this agent.
pub(super) fn contains(agent: usize) -> bool {
    CURRENT.with_borrow(|current| {
        let frames = std::iter::successors(current.as_deref(), |frame| frame.outer.as_deref());
        frames.into_iter().any(|frame| frame.agent == agent)
    })
}

/// A call to `agent` that goes on with `later`.
pub(super) fn link(agent: usize, mut later: Later) -> Later {
    let outer = CURRENT.with_borrow(Clone::clone);
    let frame = Arc::new(Frame { agent, outer });
    Box::pin(std::future::poll_fn(move |cx| run(&frame, &mut later, cx)))
}

fn run(frame: &Arc<Frame>, later: &mut Later, cx: &mut Context<'_>) -> Poll<Answer> {
    /// Puts the outer call back, also when user code panics.
    struct Restore(Option<Arc<Frame>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.set(self.0.take());
        }
    }
    let _restore = Restore(CURRENT.replace(Some(frame.clone())));
    later.as_mut().poll(cx)
}
