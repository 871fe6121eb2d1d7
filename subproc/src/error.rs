//! What can go wrong with child processes.

use std::fmt;
use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use aiomas_core::agent::UrlError;
use aiomas_core::wire::Printable;

/// Something is wrong with a child process. Children are counted from 0.
///
/// `{:?}` is the text of `Display`, as `main` and `unwrap` print it; `{:#?}` shows the variant and its fields.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A child cannot be started.
    #[error("child {child} cannot be started: {}: {source}", Printable(program))]
    Start {
        /// Which.
        child: usize,
        /// The program.
        program: String,
        /// The system's error.
        source: io::Error,
    },
    /// A child has ended, or closed its standard output, before it said that it is ready.
    #[error("child {child} was never ready: {status}")]
    NeverReady {
        /// Which.
        child: usize,
        /// How it has ended.
        status: ExitStatus,
    },
    /// A child has taken too long to say that it is ready.
    #[error("child {child} was not ready within {within:?} (`Launcher::ready_within`)")]
    Late {
        /// Which.
        child: usize,
        /// How long it might take.
        within: Duration,
    },
    /// A child says that it listens at something that is no address.
    #[error("child {child} says where it listens, but {source}")]
    Address {
        /// Which.
        child: usize,
        /// What is wrong with it.
        source: UrlError,
    },
    /// A manager cannot be found, or has failed.
    #[error("the manager of child {child}: {source}")]
    Manager {
        /// Of which child.
        child: usize,
        /// Why.
        source: aiomas::Error,
    },
    /// A child has ended, but not with success.
    #[error("child {child} has failed: {status}")]
    Failed {
        /// Which.
        child: usize,
        /// How it has ended.
        status: ExitStatus,
    },
    /// A child did not end in time. It is gone now.
    #[error(
        "child {child} did not end within {within:?} (`Launcher::stop_within`), and was killed"
    )]
    Killed {
        /// Which.
        child: usize,
        /// How long it might take.
        within: Duration,
    },
    /// The container of this child process.
    #[error(transparent)]
    Container(#[from] aiomas::Error),
    /// The system has no thread, or fails us otherwise.
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
