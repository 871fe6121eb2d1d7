//! Long work, away from the tasks that move bytes.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use super::host::Host;
use super::lock::lock;

type Work = Box<dyn FnOnce() + Send>;

/// Handles the large requests and messages of one client, server or container. Nothing else waits for them. It runs as
/// many at a time as the runtime has [threads for them](super::Runtime::parallelism), and the rest in order.
pub(super) struct HeavyWork {
    host: Arc<dyn Host>,
    limit: usize,
    queue: Mutex<Queue>,
}

#[derive(Default)]
struct Queue {
    running: usize,
    /// Each connection has at most one entry of each kind.
    waiting: VecDeque<Work>,
}

impl HeavyWork {
    pub(super) fn new(host: Arc<dyn Host>) -> Arc<Self> {
        let limit = host.parallelism().max(1);
        Arc::new(Self { host, limit, queue: Mutex::default() })
    }

    /// Runs work, now or when a thread is free. If the runtime ends, the work is dropped.
    pub(super) fn run(self: &Arc<Self>, work: impl FnOnce() + Send + 'static) {
        let work: Work = Box::new(work);
        {
            let mut queue = lock(&self.queue);
            if queue.running >= self.limit {
                queue.waiting.push_back(work);
                return;
            }
            queue.running += 1;
        }
        self.start(work);
    }

    fn start(self: &Arc<Self>, work: Work) {
        let running = Running { all: self.clone(), begun: false };
        self.host.spawn_blocking(Box::new(move || {
            let _running = running.begin();
            work();
        }));
    }
}

/// Work in progress. Dropping it, also by a panic, starts the next.
struct Running {
    all: Arc<HeavyWork>,
    begun: bool,
}

impl Running {
    fn begin(mut self) -> Self {
        self.begun = true;
        self
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let (next, _ended) = {
            let mut queue = lock(&self.all.queue);
            // If the work was not started, the runtime has ended, and would not start the rest either.
            let ended =
                if self.begun { VecDeque::new() } else { std::mem::take(&mut queue.waiting) };
            let next = queue.waiting.pop_front();
            queue.running -= usize::from(next.is_none());
            (next, ended)
        };
        if let Some(next) = next {
            self.all.start(next);
        }
    }
}
