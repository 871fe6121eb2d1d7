//! Child processes that were started together.

use std::time::Duration;

use aiomas::manager::{self, ManagerProxy};

use crate::process::{Ended, Process};
use crate::{Error, thread};

/// Child processes that were started together.
///
/// Dropping it ends all of them without waiting for that; [`stop`](Self::stop) tells what came of it.
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

    /// What makes agents in the child's container.
    #[must_use]
    pub const fn manager(&self) -> &ManagerProxy {
        &self.manager
    }

    /// The number of the process.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.process.id()
    }
}

impl Fleet {
    pub(crate) const fn new(members: Vec<Member>, stop_within: Duration) -> Self {
        Self { members, stop_within }
    }

    /// The children, in the order in which they were started.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Their managers, in the same order.
    pub fn managers(&self) -> impl ExactSizeIterator<Item = &ManagerProxy> {
        self.members.iter().map(Member::manager)
    }

    /// Sets the clocks of all containers to a later time, in seconds: all are told before the first answer is
    /// waited for. They have external clocks if the children have given them one.
    ///
    /// # Errors
    /// See [`manager::set_time`].
    ///
    /// # Cancel safety
    /// Once it has been polled, all of them are told.
    pub async fn set_time(&self, time: f64) -> Result<(), aiomas::Error> {
        manager::set_time(self.managers(), time).await
    }

    /// Ends the children, one after the other in the order in which they were started: the manager is told,
    /// agents run their `#[on_stop]`, the process ends. One that takes longer than
    /// [`stop_within`](crate::Launcher::stop_within) is killed.
    ///
    /// # Errors
    /// The first thing that went wrong. All children have ended nevertheless.
    ///
    /// # Cancel safety
    /// Dropping the future ends all children, without waiting for that.
    pub async fn stop(self) -> Result<(), Error> {
        let mut result = Ok(());
        // Of those that are left when this is dropped, each ends as a dropped process does.
        for (child, Member { manager, process }) in self.members.into_iter().enumerate() {
            let told = manager.with_timeout(self.stop_within).stop().await;
            let ended = thread::run(move || process.end()).await;
            // A child that cannot be waited for does not keep the others from being told.
            let stopped = match (ended.and_then(|ended| ended), told) {
                (Err(error), _) => Err(error.into()),
                (Ok(Ended::Killed), _) => Err(Error::Killed { child, within: self.stop_within }),
                (Ok(Ended::ByItself(status)), _) if !status.success() => {
                    Err(Error::Failed { child, status })
                }
                // It has ended before it was told, as by SIGTERM, and in order.
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

/// Whether a call failed because its callee is no longer there.
const fn is_gone(error: &aiomas::Error) -> bool {
    use aiomas::Error;
    matches!(error, Error::Lost(_) | Error::Refused(_) | Error::Connect(_) | Error::Dial { .. })
}
