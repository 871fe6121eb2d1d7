//! The child's side: a process started by a launcher.

use std::future::{Future, poll_fn};
use std::io::{self, Read};
use std::pin::{Pin, pin};
use std::process;
use std::task::Poll;
use std::thread::Builder;
use std::time::Duration;

use aiomas::manager::{Factories, Manager};
use aiomas::{Runtime, container};

use crate::{Error, ready, signals, thread};

/// The environment variable that marks a child and holds the address for it to bind.
pub(crate) const VARIABLE: &str = "AIOMAS_CHILD";

/// A process that a [`Launcher`](crate::Launcher) has started.
#[derive(Debug)]
#[must_use = "a child has to `run`"]
pub struct Child {
    address: String,
    grace: Duration,
}

impl Child {
    /// Returns the child that this process is, or `None` in the parent.
    ///
    /// Call it before the program does anything else. The mark is the environment variable `AIOMAS_CHILD`, which
    /// programs started by a child without a launcher inherit.
    #[must_use]
    pub fn from_env() -> Option<Self> {
        // An address that is not UTF-8 is invalid, which binding reports.
        let address = std::env::var_os(VARIABLE)?.to_string_lossy().into_owned();
        Some(Self { address, grace: Duration::from_secs(30) })
    }

    /// Sets the time for ending after SIGTERM or the loss of the parent.
    ///
    /// The default is 30 s. After that time, the process exits with status 1, even if its agents are still running.
    pub const fn grace(mut self, time: Duration) -> Self {
        self.grace = time;
        self
    }

    /// Binds a container with a manager, and runs it until the end of this child.
    ///
    /// The child reports its address to the parent. It ends when its manager is
    /// [stopped](aiomas::manager::ManagerProxy::stop), its parent is gone, or the process receives SIGTERM. Then the
    /// container is shut down, and the program should exit.
    ///
    /// The call takes over standard input and SIGTERM, and ignores SIGINT and SIGHUP, which the parent handles.
    ///
    /// # Errors
    /// Returns an error if the container cannot bind its address, a thread cannot be started, or a signal cannot be
    /// handled.
    ///
    /// # Cancel safety
    /// Dropping the future does not shut the container down in order: agents do not run their `#[on_stop]`.
    pub async fn run<R: Runtime>(
        self,
        builder: container::Builder<R>,
        factories: Factories,
    ) -> Result<(), Error> {
        let container = builder.bind(self.address).await?;
        let manager = Manager::new(factories);
        let mut stopped = pin!(manager.stopped());
        container.spawn(manager)?;

        let grace = self.grace;
        let terminated = signals::take_over()?;
        let ends: [Box<dyn FnOnce() + Send>; 2] =
            [Box::new(|| wait_for_end(io::stdin().lock())), Box::new(terminated)];
        let mut ends = ends.map(|wait| {
            thread::run(move || {
                wait();
                end_within(grace);
            })
        });
        // A failed write means that the parent is gone.
        if ready::say(container.address()).is_ok() {
            poll_fn(|cx| {
                if stopped.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Ok(()));
                }
                let ended = ends.iter_mut().map(|end| Pin::new(end).poll(cx));
                ended.fold(Poll::Pending, |one, other| if one.is_ready() { one } else { other })
            })
            .await?;
        }
        Ok(container.shutdown().await?)
    }
}

/// Ends the process after a time limit, unless it has ended before.
fn end_within(grace: Duration) {
    let watchdog = Builder::new().name("aiomas-watchdog".to_owned()).spawn(move || {
        std::thread::sleep(grace);
        process::exit(1);
    });
    if watchdog.is_err() {
        process::exit(1);
    }
}

/// Reads until the end of the input.
fn wait_for_end(mut stdin: impl Read) {
    let mut discarded = [0; 1024];
    loop {
        match stdin.read(&mut discarded) {
            Ok(0) => return,
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return,
            Ok(_) | Err(_) => {}
        }
    }
}
