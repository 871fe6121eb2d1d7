//! The errors of starting and stopping child processes.

use std::fmt;
use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use aiomas_core::agent::UrlError;
use aiomas_core::wire::Printable;

/// An error of a child process. Children are numbered from 0.
///
/// `{:?}` prints the text of `Display`, as `main` and `unwrap` show it; `{:#?}` shows the variant and its fields.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A child cannot be started.
    #[error("child {child} cannot be started: {}: {source}", Printable(program))]
    Start {
        /// The number of the child.
        child: usize,
        /// The program.
        program: String,
        /// The system's error.
        source: io::Error,
    },
    /// A child has ended, or closed its standard output, before it was ready.
    #[error("child {child} was never ready: {status}")]
    NeverReady {
        /// The number of the child.
        child: usize,
        /// The exit status of the child.
        status: ExitStatus,
    },
    /// A child was not ready in time.
    #[error("child {child} was not ready within {within:?} (`Launcher::ready_within`)")]
    Late {
        /// The number of the child.
        child: usize,
        /// The time limit.
        within: Duration,
    },
    /// A child has reported an invalid address.
    #[error("child {child} says where it listens, but {source}")]
    Address {
        /// The number of the child.
        child: usize,
        /// The defect of the address.
        source: UrlError,
    },
    /// The manager of a child cannot be connected, or has failed.
    #[error("the manager of child {child} has failed: {source}")]
    Manager {
        /// The number of the child.
        child: usize,
        /// The error of the connection or call.
        source: aiomas::Error,
    },
    /// A child has ended with a failure.
    #[error("child {child} has failed: {status}")]
    Failed {
        /// The number of the child.
        child: usize,
        /// The exit status of the child.
        status: ExitStatus,
    },
    /// A child did not end in time, and was killed.
    #[error(
        "child {child} did not end within {within:?} (`Launcher::stop_within`), and was killed"
    )]
    Killed {
        /// The number of the child.
        child: usize,
        /// The time limit.
        within: Duration,
    },
    /// The container of this child process has failed.
    #[error(transparent)]
    Container(#[from] aiomas::Error),
    /// The system cannot start a thread or watch a process.
    #[error("cannot watch processes: {0}")]
    System(#[from] io::Error),
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return fmt::Display::fmt(self, f);
        }
        match self {
            Self::Start { child, program, source } => f
                .debug_struct("Start")
                .field("child", child)
                .field("program", program)
                .field("source", source)
                .finish(),
            Self::NeverReady { child, status } => {
                f.debug_struct("NeverReady").field("child", child).field("status", status).finish()
            }
            Self::Late { child, within } => {
                f.debug_struct("Late").field("child", child).field("within", within).finish()
            }
            Self::Address { child, source } => {
                f.debug_struct("Address").field("child", child).field("source", source).finish()
            }
            Self::Manager { child, source } => {
                f.debug_struct("Manager").field("child", child).field("source", source).finish()
            }
            Self::Failed { child, status } => {
                f.debug_struct("Failed").field("child", child).field("status", status).finish()
            }
            Self::Killed { child, within } => {
                f.debug_struct("Killed").field("child", child).field("within", within).finish()
            }
            Self::Container(error) => f.debug_tuple("Container").field(error).finish(),
            Self::System(error) => f.debug_tuple("System").field(error).finish(),
        }
    }
}
