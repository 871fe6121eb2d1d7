//! A deterministic test runtime controlled by a script.
//!
//! It has one thread, a queue of tasks, a clock that jumps to the next timer, and streams whose
//! script decides how many bytes they move and how often they wait.
//!
//! It is stricter than real runtimes: only the waker of a task's last poll wakes it, a task that
//! panics ends the test, and waiting for an impossible event panics instead of hanging.

mod net;
mod time;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use aiomas::Runtime;
use aiomas::channel::{self, Builder, Channel};
use aiomas_core::agent::Address;

use net::Net;
pub use net::{Acceptor, Pipe};
pub use time::Alarm;

/// More polls than any test needs.
const MAX_POLLS: u64 = 50_000_000;

type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The runtime. Clones share it.
#[derive(Clone)]
pub struct ScriptedRuntime(Arc<Shared>);

struct Shared(Mutex<State>);

struct State {
    now: Instant,
    last_id: u64,
    /// Tasks. A task is taken out while it is polled.
    tasks: BTreeMap<u64, Task>,
    ready: VecDeque<u64>,
    /// Wake-ups of ready streams that reported to be pending. They come when no other event is
    /// left.
    withheld: VecDeque<Waker>,
    /// Tasks that have yielded. They run when no other task is ready.
    deferred: Vec<Waker>,
    rounds: u64,
    timers: BTreeMap<(Instant, u64), Waker>,
    net: Net,
    polls: u64,
    /// Counts movements: of bytes, of time, or of a task because of another.
    moves: u64,
    /// The task that is being polled.
    current: u64,
    spins: u32,
}

struct Task {
    future: Option<BoxFuture>,
    /// Counts the task's polls, to recognise wakers of earlier ones.
    generation: u64,
    queued: bool,
    /// The value of `moves` after the last poll, and the polls since then.
    seen: u64,
    idle: u32,
}

/// The main future, which is not a task.
const MAIN: u64 = 0;

impl Default for ScriptedRuntime {
    fn default() -> Self {
        Self::new([])
    }
}

impl ScriptedRuntime {
    /// Creates a runtime. Its streams take one byte of the script for each read or write. After its
    /// end they move all bytes. See [`Pipe`].
    pub fn new(script: impl IntoIterator<Item = u8>) -> Self {
        Self(Arc::new(Shared(Mutex::new(State {
            now: Instant::now(),
            last_id: MAIN,
            tasks: BTreeMap::from([(MAIN, Task::new(None))]),
            ready: VecDeque::new(),
            withheld: VecDeque::new(),
            deferred: Vec::new(),
            rounds: 0,
            timers: BTreeMap::new(),
            net: Net::new(script.into_iter().collect()),
            polls: 0,
            moves: 0,
            current: MAIN,
            spins: 0,
        }))))
    }

    /// Sets the number of bytes a stream holds before its writer waits. The default is 64 KiB.
    #[must_use]
    pub fn with_capacity(self, capacity: usize) -> Self {
        self.lock().net.capacity = capacity;
        self
    }

    /// Makes the next attempts to accept a stream fail with these errors.
    pub fn fail_accepts(&self, errors: impl IntoIterator<Item = io::Error>) {
        self.lock().net.accept_errors.extend(errors);
    }

    /// Runs a future and all tasks until the future ends.
    ///
    /// # Panics
    /// The future cannot end: no task is ready, and no timer is set.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        self.wake(MAIN, None);
        loop {
            while let Some(id) = self.next_ready() {
                if id != MAIN {
                    self.poll_task(id);
                } else {
                    let waker = self.begin_poll(MAIN);
                    if let Poll::Ready(output) =
                        future.as_mut().poll(&mut Context::from_waker(&waker))
                    {
                        return output;
                    }
                }
            }
            assert!(
                self.release() || self.advance(None),
                "stuck: {} tasks wait for events that never happen",
                self.tasks()
            );
        }
    }

    /// Runs tasks until all are idle, without letting time pass.
    pub fn run(&self) {
        loop {
            while let Some(id) = self.next_ready() {
                self.poll_task(id);
            }
            if !self.release() {
                return;
            }
        }
    }

    /// Lets time pass, and runs due tasks meanwhile.
    pub fn pass(&self, time: Duration) {
        let until = self.lock().now + time;
        self.run();
        while self.advance(Some(until)) {
            self.run();
        }
        self.lock().now = until;
    }

    /// Returns the number of tasks.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.lock().tasks.len() - 1
    }

    /// Returns the number of stream ends.
    #[must_use]
    pub fn ends(&self) -> usize {
        self.lock().net.ends()
    }

    /// Returns the number of polls of tasks.
    #[must_use]
    pub fn polls(&self) -> u64 {
        self.lock().polls
    }

    /// Returns how often only yielded tasks were ready. A real runtime checks its sockets then.
    #[must_use]
    pub fn rounds(&self) -> u64 {
        self.lock().rounds
    }

    /// Returns the maximum number of consecutive polls of a task without any movement.
    #[must_use]
    pub fn spins(&self) -> u32 {
        self.lock().spins
    }

    /// Breaks all streams.
    pub fn cut(&self, error: io::ErrorKind) {
        let wakers = self.lock().net.cut(error);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Drops all tasks, as a runtime does at its end.
    pub fn end(&self) {
        loop {
            let task = {
                let mut state = self.lock();
                let Some((&id, _)) = state.tasks.range(MAIN + 1..).next() else { return };
                state.tasks.remove(&id)
            };
            drop(task);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock()
    }

    /// Wakes a task. A waker of an old `generation` has no effect.
    fn wake(&self, id: u64, generation: Option<u64>) {
        self.0.wake(id, generation);
    }

    fn next_ready(&self) -> Option<u64> {
        let deferred = {
            let mut state = self.lock();
            if let Some(id) = state.ready.pop_front() {
                return Some(id);
            }
            state.rounds += 1;
            state.moves += 1;
            std::mem::take(&mut state.deferred)
        };
        deferred.into_iter().for_each(Waker::wake);
        self.lock().ready.pop_front()
    }

    fn begin_poll(&self, id: u64) -> Waker {
        let mut state = self.lock();
        state.polls += 1;
        assert!(state.polls < MAX_POLLS, "busy: {MAX_POLLS} polls, and no end");
        state.current = id;
        let moves = state.moves;
        let Some(task) = state.tasks.get_mut(&id) else { return Waker::noop().clone() };
        task.queued = false;
        task.generation += 1;
        task.idle = if task.seen == moves { task.idle + 1 } else { 0 };
        task.seen = moves;
        let generation = task.generation;
        drop(state);
        let shared = Arc::downgrade(&self.0);
        Arc::new(TaskWaker { shared, id, generation }).into()
    }

    fn poll_task(&self, id: u64) {
        let Some(mut future) = self.lock().tasks.get_mut(&id).and_then(|task| task.future.take())
        else {
            return;
        };
        let waker = self.begin_poll(id);
        let ended = future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        // Dropped tasks may wake others.
        let _ended = {
            let mut state = self.lock();
            state.current = u64::MAX;
            let moves = state.moves;
            match state.tasks.get_mut(&id) {
                Some(task) if !ended => {
                    // A poll after a movement had a reason. But the task's own movements are no
                    // reason to poll it again.
                    if task.seen != moves {
                        task.idle = 0;
                    }
                    task.seen = moves;
                    task.future = Some(future);
                    let idle = task.idle;
                    state.spins = state.spins.max(idle);
                    None
                }
                _ => Some((state.tasks.remove(&id), future)),
            }
        };
    }

    /// Delivers a withheld wake-up.
    fn release(&self) -> bool {
        let waker = {
            let mut state = self.lock();
            state.moves += 1;
            state.withheld.pop_front()
        };
        waker.map(Waker::wake).is_some()
    }

    /// Advances to the next timer, unless it ends after `until`.
    fn advance(&self, until: Option<Instant>) -> bool {
        let due: Vec<_> = {
            let mut state = self.lock();
            let Some((&(at, _), _)) = state.timers.first_key_value() else { return false };
            if until.is_some_and(|until| at > until) {
                return false;
            }
            state.now = state.now.max(at);
            state.moves += 1;
            let later = state.timers.split_off(&(at, u64::MAX));
            std::mem::replace(&mut state.timers, later).into_values().collect()
        };
        due.into_iter().for_each(Waker::wake);
        true
    }
}

impl Task {
    fn new(future: Option<BoxFuture>) -> Self {
        Self { future, generation: 0, queued: false, seen: u64::MAX, idle: 0 }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self, id: u64, generation: Option<u64>) {
        let mut state = self.lock();
        if state.current != id {
            state.moves += 1;
        }
        let Some(task) = state.tasks.get_mut(&id) else { return };
        let stale = generation.is_some_and(|generation| generation != task.generation);
        if !stale && !std::mem::replace(&mut task.queued, true) {
            state.ready.push_back(id);
        }
    }
}

struct TaskWaker {
    shared: Weak<Shared>,
    id: u64,
    generation: u64,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(shared) = self.shared.upgrade() {
            shared.wake(self.id, Some(self.generation));
        }
    }
}

impl Runtime for ScriptedRuntime {
    type Stream = Pipe;
    type Listener = Acceptor;
    type Timer = Alarm;

    fn now(&self) -> Instant {
        self.lock().now
    }

    fn seed(&self) -> u64 {
        0
    }

    fn timer(&self) -> Alarm {
        Alarm::new(self.clone())
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut state = self.lock();
        state.last_id += 1;
        let id = state.last_id;
        state.tasks.insert(id, Task::new(Some(Box::pin(task))));
        drop(state);
        self.wake(id, None);
    }

    fn defer(&self, waker: &Waker) {
        self.lock().deferred.push(waker.clone());
    }

    fn parallelism(&self) -> usize {
        1
    }

    fn dial(&self, to: Address) -> impl Future<Output = io::Result<Pipe>> + Send + 'static {
        let dialled = net::dial(self, &to);
        async move { dialled }
    }

    fn listen(&self, on: Address) -> impl Future<Output = io::Result<Acceptor>> + Send + 'static {
        let listener = net::listen(self, on);
        async move { listener }
    }
}

/// Returns a channel whose ends, the dialler's first, have the same settings.
///
/// # Panics
/// The channel cannot be opened.
pub async fn pair(
    runtime: &ScriptedRuntime,
    settings: impl Fn(Builder<ScriptedRuntime>) -> Builder<ScriptedRuntime>,
) -> (Channel, Channel) {
    let builder = || settings(channel::builder(runtime.clone()));
    let mut listener = builder().listen("tcp://here:0").await.expect("a free port");
    let dialled = builder().connect(listener.address().clone()).await.expect("a listener");
    (dialled, listener.accept().await.expect("a stream"))
}

impl fmt::Debug for ScriptedRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("tasks", &self.tasks()).finish_non_exhaustive()
    }
}
