//! The default of `Runtime::defer`.

use std::future::{Future, poll_fn};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Poll, Wake};
use std::time::{Duration, Instant};

use aiomas::Runtime;
use aiomas_core::agent::Address;
use aiomas_tests::scripted_runtime::{Acceptor, Alarm, Pipe, ScriptedRuntime};

/// A runtime with the required methods alone.
#[derive(Clone)]
struct Plain(ScriptedRuntime);

impl Runtime for Plain {
    type Stream = Pipe;
    type Listener = Acceptor;
    type Timer = Alarm;

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn timer(&self) -> Alarm {
        self.0.timer()
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(task);
    }

    fn dial(&self, to: Address) -> impl Future<Output = io::Result<Pipe>> + Send + 'static {
        self.0.dial(to)
    }

    fn listen(&self, on: Address) -> impl Future<Output = io::Result<Acceptor>> + Send + 'static {
        self.0.listen(on)
    }
}

/// The polls of a busy task, in total and when the deferred task was woken.
#[derive(Default)]
struct Polls {
    busy: AtomicU32,
    woken: AtomicU32,
}

impl Wake for Polls {
    fn wake(self: Arc<Self>) {
        self.woken.store(self.busy.load(Ordering::Relaxed), Ordering::Relaxed);
    }
}

/// Runtimes check sockets and timers rarely while tasks are ready, so a deferred task must not be ready.
#[test]
fn a_deferred_task_is_woken_when_timers_have_been_looked_at() {
    const POLLS: u32 = 300;
    let runtime = Plain(ScriptedRuntime::default());
    let polls = Arc::<Polls>::default();
    let counted = polls.clone();
    runtime.spawn(poll_fn(move |cx| {
        if counted.busy.fetch_add(1, Ordering::Relaxed) + 1 == POLLS {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }));
    runtime.defer(&polls.clone().into());
    runtime.0.pass(Duration::from_millis(1));
    assert_eq!(polls.woken.load(Ordering::Relaxed), POLLS);
    assert_eq!(runtime.0.tasks(), 0);
}
