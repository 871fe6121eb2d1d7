//! What the driver needs of an async runtime.

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

/// The shortest time that a timer has to wait for.
const MOMENT: Duration = Duration::from_micros(1);

/// An async runtime. An adapter implements it for a small value such as `Tokio`.
///
/// Only sockets, timers and tasks are asked for. `local://` addresses never get here.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// An open stream.
    type Stream: Transport;
    /// A socket that listens.
    type Listener: Listener<Stream = Self::Stream>;
    /// A timer.
    type Timer: Timer;

    /// The runtime as handles keep it, which may be used and dropped on any thread.
    ///
    /// Each bind, connect and listen calls this once, on the thread that polls it first: a runtime that is found by the
    /// thread returns a value that knows it from then on. An adapter writes this method even where the default would do,
    /// for the code behind [`AnyRuntime::new`] is compiled in the crate that calls it.
    ///
    /// # Errors
    /// No such runtime runs on this thread.
    fn attach(&self) -> io::Result<AnyRuntime> {
        Ok(AnyRuntime::new(self.clone()))
    }

    /// What time it is. Simulated runtimes have a time of their own.
    fn now(&self) -> Instant {
        Instant::now()
    }

    /// The date, as time since the start of 1970. It may step, in both directions. Simulated runtimes have dates of
    /// their own.
    fn since_epoch(&self) -> Duration {
        std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
    }

    /// How often a wait for a date looks whether the date has stepped: every second by default. `Duration::MAX` is for a
    /// runtime that wakes all tasks when it has.
    fn date_check(&self) -> Duration {
        Duration::from_secs(1)
    }

    /// What randomness is made of: the jitter of waits. Simulated runtimes have a seed.
    fn seed(&self) -> u64 {
        use std::hash::{BuildHasher, RandomState};
        // `std` seeds each of these anew.
        RandomState::new().hash_one(0)
    }

    /// Who listens at `local://` addresses. Simulated runtimes have a table of their own.
    fn local(&self) -> LocalNames {
        LocalNames::process()
    }

    /// A timer that is not set.
    fn timer(&self) -> Self::Timer;

    /// Runs a task to its end, or drops it if the runtime has ended.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static);

    /// Wakes a task once the runtime has looked at its sockets and timers, and has run what else was ready: how a
    /// task lets others run that could go on.
    ///
    /// By default a timer wakes it, which ends at once: a runtime that looks at its timers looks at its sockets, too. To
    /// wake it here does not do for most, which poll tasks that are ready many times before (smol up to 200 times).
    fn defer(&self, waker: &Waker) {
        let (runtime, waker) = (self.clone(), waker.clone());
        self.spawn(async move {
            // Set here, and not before the task is polled: then it would have ended.
            let _ended = sleep(&runtime, MOMENT).await;
            wake(waker);
        });
    }

    /// Runs work that takes long without keeping tasks waiting: on a thread that may be blocked.
    ///
    /// By default it is done in a task of its own, after others have been run.
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

    /// How much [such work](Self::spawn_blocking) is worth doing at a time. It is asked for once by each client, server
    /// and container: large requests beyond it wait for each other. By default one processor is left for all else.
    fn parallelism(&self) -> usize {
        // `HeavyWork` takes 0 as 1.
        std::thread::available_parallelism().map_or(1, |all| usize::from(all) - 1)
    }

    /// Opens a stream to a TCP or Unix socket, without delays for small writes (`TCP_NODELAY`).
    ///
    /// # Errors
    /// Nobody listens there, or whatever else the system says. Dropping the future gives the attempt up.
    fn dial(&self, to: Address) -> impl Future<Output = io::Result<Self::Stream>> + Send + 'static;

    /// Listens on a TCP or Unix socket. The file that a process has left behind that is no more is
    /// replaced; anything else in the place of a Unix socket is an error.
    ///
    /// # Errors
    /// The address is taken, or whatever else the system says.
    fn listen(
        &self,
        on: Address,
    ) -> impl Future<Output = io::Result<Self::Listener>> + Send + 'static;
}

/// Layers around a runtime, such as TLS, take this one too.
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
