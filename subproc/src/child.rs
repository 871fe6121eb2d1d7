//! A child process, from inside.

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

/// Tells a program that it is a child, and where to listen.
pub(crate) const VARIABLE: &str = "AIOMAS_CHILD";

/// What a program is that was started by a [`Launcher`](crate::Launcher).
#[derive(Debug)]
#[must_use = "a child has to `run`"]
pub struct Child {
    address: String,
    grace: Duration,
}

impl Child {
    /// Tells whether this process is a child; to be asked before it does anything else. The answer is in the
    /// environment, in the variable `AIOMAS_CHILD`: programs that a child starts otherwise than by a launcher
    /// inherit it.
    #[must_use]
    pub fn from_env() -> Option<Self> {
        // An address that is not even UTF-8 is none, of which binding tells.
        let address = std::env::var_os(VARIABLE)?.to_string_lossy().into_owned();
        Some(Self { address, grace: Duration::from_secs(30) })
    }

    /// How long this process may take to end when its parent is gone, or after SIGTERM: half a minute unless told
    /// otherwise. Then it is ended with status 1, whatever its agents do.
    pub const fn grace(mut self, time: Duration) -> Self {
        self.grace = time;
        self
    }

    /// Binds a container with a manager, tells the parent, and lets it live until the manager is
    /// [stopped](aiomas::manager::ManagerProxy::stop), the parent is gone, or this process gets SIGTERM.
    /// Then the container is shut down, and the program should end.
    ///
    /// It takes over standard input, SIGTERM, and SIGINT and SIGHUP, which it leaves to the parent.
    ///
    /// # Errors
    /// The container cannot listen, there is no thread, or a signal cannot be handled.
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
        // If the parent does not read any more, it is gone.
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

/// Ends the process, unless it ends earlier.
fn end_within(grace: Duration) {
    let watchdog = Builder::new().name("aiomas-watchdog".to_owned()).spawn(move || {
        std::thread::sleep(grace);
        process::exit(1);
    });
    if watchdog.is_err() {
        process::exit(1);
    }
}

/// Reads until nothing more comes.
fn wait_for_end(mut stdin: impl Read) {
    let mut nobody_cares = [0; 1024];
    loop {
        match stdin.read(&mut nobody_cares) {
            Ok(0) => return,
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return,
            Ok(_) | Err(_) => {}
        }
    }
}
