//! Tasks, and the order in which they run.

use std::collections::{BTreeSet, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Wake, Waker};

use slab::Slab;

use crate::net::HostId;

pub(crate) type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The future of [`Sim::block_on`](crate::Sim::block_on), which is not a task of a host.
pub(crate) const MAIN: usize = 0;

/// The host of the main future.
pub(crate) const MAIN_HOST: HostId = 0;

/// All tasks.
pub(crate) struct Tasks {
    tasks: Slab<Task>,
    ready: VecDeque<usize>,
    /// Frozen hosts, with their runnable tasks.
    frozen: BTreeSet<HostId>,
    held: Vec<usize>,
    /// Counts polls and new tasks.
    turns: u64,
    wakes: Weak<dyn Wakes>,
}

/// Receives the wake-ups of tasks.
pub(crate) trait Wakes: Send + Sync {
    /// Marks a task as runnable, if `turn` was its last poll.
    fn wake(&self, task: usize, turn: u64);
}

struct Task {
    host: HostId,
    /// `None` while the task is polled.
    future: Option<BoxFuture>,
    queued: bool,
    /// The number of the last poll. Only the waker of that poll wakes the task.
    turn: u64,
    waker: Option<Arc<TaskWaker>>,
}

struct TaskWaker {
    wakes: Weak<dyn Wakes>,
    task: usize,
    turn: AtomicU64,
}

/// One poll of a task.
pub(crate) struct Turn {
    pub(crate) task: usize,
    pub(crate) host: HostId,
    pub(crate) future: Option<BoxFuture>,
    pub(crate) waker: Waker,
    shared: Arc<TaskWaker>,
    turn: u64,
}

impl Tasks {
    pub(crate) fn new(wakes: Weak<dyn Wakes>) -> Self {
        let (ready, frozen) = (VecDeque::new(), BTreeSet::new());
        Self { tasks: Slab::new(), ready, frozen, held: Vec::new(), turns: 0, wakes }
    }

    /// Adds a runnable task.
    pub(crate) fn insert(&mut self, host: HostId, future: Option<BoxFuture>) -> usize {
        self.turns += 1;
        let task = Task { host, future, queued: true, turn: self.turns, waker: None };
        let id = self.tasks.insert(task);
        self.line_up(id, host);
        id
    }

    /// Appends a task to the run queue.
    fn line_up(&mut self, id: usize, host: HostId) {
        if id != MAIN && self.frozen.contains(&host) {
            self.held.push(id);
        } else {
            self.ready.push_back(id);
        }
    }

    /// Suspends all tasks of a host.
    pub(crate) fn freeze(&mut self, host: HostId) {
        self.frozen.insert(host);
        for id in std::mem::take(&mut self.ready) {
            if let Some(host) = self.tasks.get(id).map(|task| task.host) {
                self.line_up(id, host);
            }
        }
    }

    /// Resumes all tasks of a host.
    pub(crate) fn thaw(&mut self, host: HostId) {
        self.frozen.remove(&host);
        for id in std::mem::take(&mut self.held) {
            if let Some(host) = self.tasks.get(id).map(|task| task.host) {
                self.line_up(id, host);
            }
        }
    }

    pub(crate) fn queue(&mut self, id: usize) {
        if let Some(task) = self.tasks.get_mut(id)
            && !std::mem::replace(&mut task.queued, true)
        {
            let host = task.host;
            self.line_up(id, host);
        }
    }

    /// Marks a task as runnable, if `turn` was its last poll.
    pub(crate) fn wake(&mut self, id: usize, turn: u64) {
        if self.tasks.get(id).is_some_and(|task| task.turn == turn) {
            self.queue(id);
        }
    }

    /// Returns the number of tasks, without the main one.
    pub(crate) fn len(&self) -> usize {
        self.tasks.len() - 1
    }

    /// Returns a random task.
    pub(crate) fn any(&self, below: impl FnOnce(usize) -> usize) -> Option<usize> {
        self.tasks.iter().nth(below(self.tasks.len())).map(|(id, _)| id)
    }

    pub(crate) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// Takes a runnable task out: the first one, or the one at index `nth`.
    pub(crate) fn begin(&mut self, nth: Option<usize>) -> Option<Turn> {
        let id = match nth {
            Some(nth) => self.ready.swap_remove_back(nth),
            None => self.ready.pop_front(),
        };
        self.begin_this(id?)
    }

    /// Takes a task out, unless it has ended or is being polled.
    pub(crate) fn begin_this(&mut self, id: usize) -> Option<Turn> {
        let task = self.tasks.get_mut(id)?;
        task.queued = false;
        if id != MAIN && task.future.is_none() {
            return None;
        }
        self.turns += 1;
        task.turn = self.turns;
        // A waker with other references belongs to an earlier poll, and is not reused.
        let shared = match task.waker.take() {
            Some(waker) if Arc::strong_count(&waker) == 1 => {
                waker.turn.store(self.turns, Ordering::Relaxed);
                waker
            }
            _ => {
                let (wakes, turn) = (self.wakes.clone(), AtomicU64::new(self.turns));
                Arc::new(TaskWaker { wakes, task: id, turn })
            }
        };
        let waker = shared.clone().into();
        let (host, future) = (task.host, task.future.take());
        Some(Turn { task: id, host, future, waker, shared, turn: self.turns })
    }

    /// Puts a task back that has not ended. The caller drops the returned task without the lock.
    pub(crate) fn end(&mut self, turn: Turn, ended: bool) -> Option<Turn> {
        let task = self.tasks.get_mut(turn.task).filter(|task| task.turn == turn.turn);
        match task {
            // The task was removed during the poll.
            None => Some(turn),
            Some(_) if ended && turn.task != MAIN => {
                self.tasks.remove(turn.task);
                Some(turn)
            }
            Some(task) => {
                task.future = turn.future;
                drop(turn.waker);
                task.waker = Some(turn.shared);
                None
            }
        }
    }

    /// Takes all tasks of a host out, and thaws the host. The caller drops them without the lock.
    pub(crate) fn remove_of(&mut self, host: HostId) -> Vec<(HostId, BoxFuture)> {
        self.thaw(host);
        self.remove_all(|task| task.host == host)
    }

    /// Takes out all tasks except the main one, with their hosts.
    pub(crate) fn clear(&mut self) -> Vec<(HostId, BoxFuture)> {
        self.remove_all(|_| true)
    }

    fn remove_all(&mut self, which: impl Fn(&Task) -> bool) -> Vec<(HostId, BoxFuture)> {
        let ids = self.tasks.iter().filter(|(id, task)| *id != MAIN && which(task));
        let ids: Vec<usize> = ids.map(|(id, _)| id).collect();
        let tasks = ids.into_iter().map(|id| self.tasks.remove(id));
        tasks.filter_map(|task| Some((task.host, task.future?))).collect()
    }

    pub(crate) fn ids(&self) -> Vec<usize> {
        let all = self.tasks.iter().filter(|(_, task)| !self.frozen.contains(&task.host));
        all.map(|(id, _)| id).collect()
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(wakes) = self.wakes.upgrade() {
            wakes.wake(self.task, self.turn.load(Ordering::Relaxed));
        }
    }
}
