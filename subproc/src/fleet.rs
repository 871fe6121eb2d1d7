//! A group of child processes that were started together.

use std::time::Duration;

use aiomas::manager::{self, ManagerProxy};

use crate::process::{Ended, Process};
use crate::{Error, thread};

/// A group of child processes that were started together.
///
/// Dropping a fleet ends all children without waiting for them; [`stop`](Self::stop) waits, and returns the outcome.
#[derive(Debug)]
#[must_use = "children end when it is dropped"]
pub struct Fleet {
    members: Vec<Member>,
    stop_within: Duration,
}

/// A child process, and its manager.
#[derive(Debug)]
pub struct Member {
    manager: ManagerProxy,
    process: Process,
}

impl Member {
    pub(crate) const fn new(manager: ManagerProxy, process: Process) -> Self {
        Self { manager, process }
    }

    /// Returns the manager, which creates agents in the child's container.
    #[must_use]
    pub const fn manager(&self) -> &ManagerProxy {
        &self.manager
    }

    /// Returns the process id.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Fleet {
    pub(crate) const fn new(members: Vec<Member>, stop_within: Duration) -> Self {
        Self { members, stop_within }
    }

    /// Returns the children in the order in which they were started.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Returns the managers of the children, in the same order.
    pub fn managers(&self) -> impl ExactSizeIterator<Item = &ManagerProxy> {
        self.members.iter().map(Member::manager)
    }

    /// Sets the clocks of all containers to a later time, in seconds.
    ///
    /// All requests are sent before the first answer is awaited. The containers must have external clocks.
    ///
    /// # Errors
    /// See [`manager::set_time`].
    ///
    /// # Cancel safety
    /// Once the future has been polled, all requests are sent.
    pub async fn set_time(&self, time: f64) -> Result<(), aiomas::Error> {
        manager::set_time(self.managers(), time).await
    }

    /// Stops the children one after the other, in the order in which they were started.
    ///
    /// For each, the manager stops, agents run their `#[on_stop]`, and the process ends. A child that takes longer than
    /// [`stop_within`](crate::Launcher::stop_within) is killed.
    ///
    /// # Errors
    /// Returns the first error. All children have ended nevertheless.
    ///
    /// # Cancel safety
    /// Dropping the future ends all children without waiting for them.
    pub async fn stop(self) -> Result<(), Error> {
        let mut result = Ok(());
        // If this future is dropped, the remaining children end as dropped processes do.
        for (child, Member { manager, process }) in self.members.into_iter().enumerate() {
            let told = manager.with_timeout(self.stop_within).stop().await;
            let ended = thread::run(move || process.end()).await;
            // An error of waiting for a child does not prevent stopping the others.
            let stopped = match (ended.and_then(|ended| ended), told) {
                (Err(error), _) => Err(error.into()),
                (Ok(Ended::Killed), _) => Err(Error::Killed { child, within: self.stop_within }),
                (Ok(Ended::ByItself(status)), _) if !status.success() => {
                    Err(Error::Failed { child, status })
                }
                // The child has ended in order before the request, as after SIGTERM.
                (Ok(Ended::ByItself(_)), Err(source)) if is_gone(&source) => Ok(()),
                (Ok(Ended::ByItself(_)), told) => {
                    told.map_err(|source| Error::Manager { child, source })
                }
            };
            result = result.and(stopped);
        }
        result
    }
}

/// Returns `true` if a call failed because the callee no longer exists.
const fn is_gone(error: &aiomas::Error) -> bool {
    use aiomas::Error;
    matches!(error, Error::Lost(_) | Error::Refused(_) | Error::Connect(_) | Error::Dial { .. })
}
