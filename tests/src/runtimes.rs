//! The runtimes of the test programs, and helpers for async ones.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use aiomas::{Runtime, Timer};
use aiomas_core::wire::RemoteError;

/// The runtime of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum RuntimeKind {
    /// The poll loop: the core without a driver.
    Poll,
    /// The driver on tokio.
    Tokio,
    /// The driver on async-std.
    AsyncStd,
    /// The driver on smol.
    Smol,
}

impl RuntimeKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Poll, Self::Tokio, Self::AsyncStd, Self::Smol];

    /// Returns the name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Poll => "poll",
            Self::Tokio => "tokio",
            Self::AsyncStd => "async-std",
            Self::Smol => "smol",
        }
    }
}

/// Runs `main` on tokio, with a thread for each processor.
///
/// # Panics
/// The system has no threads left.
pub fn on_tokio<T>(main: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.unwrap_or_else(|error| panic!("tokio: {error}")).block_on(main)
}

/// Waits on a runtime whose type the services need not know.
#[derive(Clone)]
pub(crate) struct Sleep(Arc<Wait>);

type Wait = dyn Fn(Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

impl Sleep {
    pub(crate) fn on<R: Runtime>(runtime: &R) -> Self {
        let runtime = runtime.clone();
        Self(Arc::new(move |time| {
            let mut timer = runtime.timer();
            timer.set(runtime.now() + time);
            Box::pin(poll_fn(move |cx| timer.poll(cx)))
        }))
    }

    pub(crate) async fn wait(&self, time: Duration) {
        (self.0)(time).await;
    }

    /// Waits, as Python does, for a number of milliseconds from a peer.
    pub(crate) async fn wait_ms(&self, milliseconds: f64) -> Result<(), RemoteError> {
        match Duration::try_from_secs_f64(milliseconds.max(0.0) / 1e3) {
            Ok(time) if time <= LONGEST => {
                self.wait(time).await;
                Ok(())
            }
            _ => Err(RemoteError::new("OverflowError", "too long to wait")),
        }
    }
}

/// The longest time to wait; longer ones may exceed a clock's range.
const LONGEST: Duration = Duration::from_secs(1 << 32);

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sleep")
    }
}

/// Returns whether a future is still pending.
pub(crate) async fn is_pending<F: Future + Unpin>(future: &mut F) -> bool {
    poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx).is_pending())).await
}

/// Runs futures concurrently, until all have ended.
pub(crate) async fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    poll_fn(|cx| {
        let mut ended = true;
        for (future, output) in &mut running {
            if output.is_none() {
                match future.as_mut().poll(cx) {
                    Poll::Ready(value) => *output = Some(value),
                    Poll::Pending => ended = false,
                }
            }
        }
        if ended { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}
