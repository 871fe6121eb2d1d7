//! A runtime for tests, in which everything is decided by a script: one thread, a queue of tasks, a clock
//! that jumps to the next timer, and streams that move as many bytes, and wait as often, as they are told.
//!
//! It is stricter than runtimes are: only the waker of a task's last poll wakes it, a task that panics ends
//! the test, and waiting for what can never come is a panic instead of a hang.

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

/// So many polls are more than any test needs.
const MAX_POLLS: u64 = 50_000_000;

type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The runtime. Clones are the same one.
#[derive(Clone)]
pub struct ScriptedRuntime(Arc<Shared>);

struct Shared(Mutex<State>);

struct State {
    now: Instant,
    last_id: u64,
    /// A task is taken out while it is polled.
    tasks: BTreeMap<u64, Task>,
    ready: VecDeque<u64>,
    /// Wake-ups of streams that were ready but said otherwise. They come when nothing else happens.
    withheld: VecDeque<Waker>,
    /// Tasks that let others run. They have their turn when no other task is ready.
    deferred: Vec<Waker>,
    rounds: u64,
    timers: BTreeMap<(Instant, u64), Waker>,
    net: Net,
    polls: u64,
    /// How often anything has moved: bytes, time, or a task because of another.
    moves: u64,
    /// The task that is being polled.
    current: u64,
    spins: u32,
}

struct Task {
    future: Option<BoxFuture>,
    /// Counts its polls, so that the wakers of earlier ones can be told.
    generation: u64,
    queued: bool,
    /// What `moves` was after its last poll, and how often it has polled since without a move.
    seen: u64,
    idle: u32,
}

/// The main future, which is no task.
const MAIN: u64 = 0;

impl Default for ScriptedRuntime {
    fn default() -> Self {
        Self::new([])
    }
}

impl ScriptedRuntime {
    /// A runtime whose streams go by these bytes, one for each time that they are read or written, and
    /// then move whatever they can. See [`Pipe`].
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

    /// How many bytes a stream holds before its writer has to wait: 64 KiB unless told otherwise.
    #[must_use]
    pub fn with_capacity(self, capacity: usize) -> Self {
        self.lock().net.capacity = capacity;
        self
    }

    /// Lets the next attempts to accept a stream end in these errors.
    pub fn fail_accepts(&self, errors: impl IntoIterator<Item = io::Error>) {
        self.lock().net.accept_errors.extend(errors);
    }

    /// Runs a future and all tasks until the future ends.
    ///
    /// # Panics
    /// It cannot end: there is nothing to run, and no time to wait for.
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
                "stuck: {} tasks wait for what nobody does",
                self.tasks()
            );
        }
    }

    /// Runs tasks until nothing moves any more, without letting time pass.
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

    /// Lets time pass, and runs what is due meanwhile.
    pub fn pass(&self, time: Duration) {
        let until = self.lock().now + time;
        self.run();
        while self.advance(Some(until)) {
            self.run();
        }
        self.lock().now = until;
    }

    /// How many tasks there are.
    #[must_use]
    pub fn tasks(&self) -> usize {
        self.lock().tasks.len() - 1
    }

    /// How many ends of streams there are.
    #[must_use]
    pub fn ends(&self) -> usize {
        self.lock().net.ends()
    }

    /// How often tasks have been polled.
    #[must_use]
    pub fn polls(&self) -> u64 {
        self.lock().polls
    }

    /// How often no task was ready but those that had let others run: a real runtime has looked at its sockets then.
    #[must_use]
    pub fn rounds(&self) -> u64 {
        self.lock().rounds
    }

    /// How often at most a task was polled in a row though nothing had moved since its last poll.
    #[must_use]
    pub fn spins(&self) -> u32 {
        self.lock().spins
    }

    /// Breaks all streams.
    pub fn cut(&self, error: io::ErrorKind) {
        let wakers = self.lock().net.cut(error);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Drops all tasks, as a runtime does that ends.
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

    /// `generation`: of the waker. An old one does nothing.
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
        // What is dropped may wake others.
        let _ended = {
            let mut state = self.lock();
            state.current = u64::MAX;
            let moves = state.moves;
            match state.tasks.get_mut(&id) {
                Some(task) if !ended => {
                    // A poll in which something has moved was not for nothing. But what it has moved
                    // itself is no reason to be polled again.
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

    /// Delivers a wake-up that was withheld.
    fn release(&self) -> bool {
        let waker = {
            let mut state = self.lock();
            state.moves += 1;
            state.withheld.pop_front()
        };
        waker.map(Waker::wake).is_some()
    }

    /// Goes on to the next timer, unless that ends after `until`.
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

/// A channel whose ends, the dialler's first, are made with the same settings.
///
/// # Panics
/// If it cannot be had.
pub async fn pair(
    runtime: &ScriptedRuntime,
    settings: impl Fn(Builder<ScriptedRuntime>) -> Builder<ScriptedRuntime>,
) -> (Channel, Channel) {
    let builder = || settings(channel::builder(runtime.clone()));
    let mut listener = builder().listen("tcp://here:0").await.expect("a free port");
    let dialled = builder().connect(listener.address().clone()).await.expect("it listens");
    (dialled, listener.accept().await.expect("a stream"))
}

impl fmt::Debug for ScriptedRuntime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("tasks", &self.tasks()).finish_non_exhaustive()
    }
}
