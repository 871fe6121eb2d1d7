//! The interface between the driver and an async runtime.

use std::future::{Future, poll_fn};
use std::io;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

use super::contain::wake;
use super::host::sleep;
use super::host::{AnyRuntime, BoxListener};
use super::local::LocalNames;
use super::transport::{Listener, Timer, Transport};
use aiomas_core::agent::Address;

/// The shortest wait of a timer.
const MOMENT: Duration = Duration::from_micros(1);

/// An async runtime. An adapter implements the trait for a small value such as `Tokio`.
///
/// It provides sockets, timers and tasks only. `local://` addresses are handled before it.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// An open stream.
    type Stream: Transport;
    /// A listening socket.
    type Listener: Listener<Stream = Self::Stream>;
    /// A timer.
    type Timer: Timer;

    /// Returns the runtime in the form that handles keep: usable and droppable on any thread.
    ///
    /// Each bind, connect and listen calls this once, on the thread of its first poll: a runtime found through the
    /// thread returns a value that remembers the runtime. An adapter writes this method even where the default
    /// suffices, because the code behind [`AnyRuntime::new`] is compiled in the crate that calls it.
    ///
    /// # Errors
    /// This thread has no such runtime.
    fn attach(&self) -> io::Result<AnyRuntime> {
        Ok(AnyRuntime::new(self.clone()))
    }

    /// Returns the current time. Simulated runtimes have a time of their own.
    fn now(&self) -> Instant {
        Instant::now()
    }

    /// Returns the date, as time since the start of 1970. It may step, in both directions. Simulated runtimes have
    /// dates of their own.
    fn since_epoch(&self) -> Duration {
        std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
    }

    /// Returns how often a wait for a date checks for a step: every second by default. A runtime that wakes all tasks
    /// on a step returns `Duration::MAX`.
    fn date_check(&self) -> Duration {
        Duration::from_secs(1)
    }

    /// Returns a seed for random numbers: the jitter of waits. Simulated runtimes have a fixed seed.
    fn seed(&self) -> u64 {
        use std::hash::{BuildHasher, RandomState};
        // `std` seeds each `RandomState` anew.
        RandomState::new().hash_one(0)
    }

    /// Returns the table of `local://` listeners. Simulated runtimes have a table of their own.
    fn local(&self) -> LocalNames {
        LocalNames::process()
    }

    /// Returns an unset timer.
    fn timer(&self) -> Self::Timer;

    /// Runs a task to its end, or drops it if the runtime has ended.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);

    /// Wakes a task after all other ready tasks, sockets and timers have had their turn. A task uses it to yield to
    /// others.
    ///
    /// By default a timer that ends at once wakes the task: a runtime that polls its timers polls its sockets, too. A
    /// plain wake is not enough for most runtimes, which poll ready tasks many times first (smol up to 200 times).
    fn defer(&self, waker: &Waker) {
        let (runtime, waker) = (self.clone(), waker.clone());
        self.spawn(async move {
            // Set here and not before the first poll, by which time it would have ended.
            let _ended = sleep(&runtime, MOMENT).await;
            wake(waker);
        });
    }

    /// Runs long work without delaying tasks, on a thread that may block.
    ///
    /// By default the work runs in a task of its own, after other tasks have run.
    fn spawn_blocking(&self, work: impl FnOnce() + Send + 'static) {
        let (runtime, mut yielded) = (self.clone(), false);
        self.spawn(async move {
            poll_fn(|cx| {
                if std::mem::replace(&mut yielded, true) {
                    return Poll::Ready(());
                }
                runtime.defer(cx.waker());
                Poll::Pending
            })
            .await;
            work();
        });
    }

    /// Returns how much [blocking work](Self::spawn_blocking) should run at a time. Each client, server and container
    /// asks once. Large requests beyond that number wait. By default one processor stays free for everything else.
    fn parallelism(&self) -> usize {
        // `HeavyWork` treats 0 as 1.
        std::thread::available_parallelism().map_or(1, |all| usize::from(all) - 1)
    }

    /// Opens a stream to a TCP or Unix socket, with undelayed small writes (`TCP_NODELAY`).
    ///
    /// # Errors
    /// The address has no listener, or the system reports another error. Dropping the future cancels the attempt.
    fn dial(&self, to: Address) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static;

    /// Listens on a TCP or Unix socket. It replaces the socket file of a process that has ended; any other file in the
    /// place of a Unix socket is an error.
    ///
    /// # Errors
    /// The address is in use, or the system reports another error.
    fn listen(
        &self,
        on: Address,
    ) -> impl Future<Output = io::Result<Self::Listener>> + Send + 'static;
}

/// Layers around a runtime, such as TLS, accept `AnyRuntime`, too.
impl Runtime for AnyRuntime {
    type Stream = Box<dyn Transport>;
    type Listener = BoxListener;
    type Timer = Box<dyn Timer>;

    fn attach(&self) -> io::Result<AnyRuntime> {
        Ok(self.clone())
    }

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn since_epoch(&self) -> Duration {
        self.0.since_epoch()
    }

    fn date_check(&self) -> Duration {
        self.0.date_check()
    }

    fn seed(&self) -> u64 {
        self.0.seed()
    }

    fn local(&self) -> LocalNames {
        self.0.local()
    }

    fn timer(&self) -> Box<dyn Timer> {
        self.0.timer()
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(Box::pin(task));
    }

    fn defer(&self, waker: &Waker) {
        self.0.defer(waker);
    }

    fn spawn_blocking(&self, work: impl FnOnce() + Send + 'static) {
        self.0.spawn_blocking(Box::new(work));
    }

    fn parallelism(&self) -> usize {
        self.0.parallelism()
    }

    fn dial(&self, to: Address) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static {
        self.0.dial(to)
    }

    fn listen(
        &self,
        on: Address,
    ) -> impl Future<Output = io::Result<Self::Listener>> + Send + 'static {
        self.0.listen(on)
    }
}
