//! The errors of simulators and of programs that drive them.

use std::fmt;
use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use aiomas_core::connection::CloseReason;
use aiomas_core::wire::{Printable, RemoteError};

/// The result of a simulator's methods. mosaik receives the type and message of the error.
pub type Result<T, E = RemoteError> = std::result::Result<T, E>;

/// The error of a simulation that has failed.
///
/// `{:?}` prints the text of `Display`, as `main` and `unwrap` show it; `{:#?}` shows the variant and its fields.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The program cannot connect, or a call on the connection was not answered.
    #[error(transparent)]
    Connection(#[from] aiomas::Error),
    /// mosaik, or the simulator, has not connected in time.
    #[error("no connection within {within:?} (`{setting}`){}", Others(*others))]
    NotConnected {
        /// The time limit.
        within: Duration,
        /// The setting of the limit.
        setting: &'static str,
        /// The number of other peers that connected, such as port checks.
        others: usize,
    },
    /// The connection ended without being closed by the other side.
    #[error("the connection was lost: {0}")]
    Lost(CloseReason),
    /// A request of mosaik failed. This is the first such failure, as mosaik received it.
    #[error("{}() has failed: {error}", Printable(function))]
    Failed {
        /// The called function.
        function: String,
        /// The error that mosaik received.
        error: RemoteError,
    },
    /// A simulator driven by this program failed.
    #[error("{}() of \"{}\" has failed: {error}", Printable(function), Printable(simulator))]
    Simulator {
        /// The id of the simulator.
        simulator: String,
        /// The called function.
        function: String,
        /// The simulator's own error, or the reason why the call failed.
        error: Box<aiomas::Error>,
    },
    /// The answer of a simulator driven by this program violates the API.
    #[error(
        "the answer of {}() of \"{}\" is wrong: {}",
        Printable(function),
        Printable(simulator),
        Printable(why)
    )]
    Answer {
        /// The id of the simulator.
        simulator: String,
        /// The called function.
        function: String,
        /// The defect of the answer.
        why: String,
    },
    /// A simulator cannot be started.
    #[error("the simulator cannot be started: {}: {source}", Printable(program))]
    Start {
        /// The program.
        program: String,
        /// The system's error.
        source: io::Error,
    },
    /// A simulator that was started has ended without connecting.
    #[error("the simulator has ended without connecting: {status}")]
    NeverConnected {
        /// The exit status of the process.
        status: ExitStatus,
    },
    /// The state of a simulator's process cannot be determined.
    #[error("cannot watch the simulator's process: {0}")]
    Process(#[from] io::Error),
}

/// The number of other peers that connected, formatted for an error.
struct Others(usize);

impl fmt::Display for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            1 => f.write_str(", except from one other peer, which the log names"),
            count => write!(f, ", except from {count} other peers, which the log names"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !f.alternate() {
            return fmt::Display::fmt(self, f);
        }
        match self {
            Self::Connection(error) => f.debug_tuple("Connection").field(error).finish(),
            Self::NotConnected { within, setting, others } => f
                .debug_struct("NotConnected")
                .field("within", within)
                .field("setting", setting)
                .field("others", others)
                .finish(),
            Self::Lost(reason) => f.debug_tuple("Lost").field(reason).finish(),
            Self::Failed { function, error } => {
                f.debug_struct("Failed").field("function", function).field("error", error).finish()
            }
            Self::Simulator { simulator, function, error } => f
                .debug_struct("Simulator")
                .field("simulator", simulator)
                .field("function", function)
                .field("error", error)
                .finish(),
            Self::Answer { simulator, function, why } => f
                .debug_struct("Answer")
                .field("simulator", simulator)
                .field("function", function)
                .field("why", why)
                .finish(),
            Self::Start { program, source } => {
                f.debug_struct("Start").field("program", program).field("source", source).finish()
            }
            Self::NeverConnected { status } => {
                f.debug_struct("NeverConnected").field("status", status).finish()
            }
            Self::Process(error) => f.debug_tuple("Process").field(error).finish(),
        }
    }
}
