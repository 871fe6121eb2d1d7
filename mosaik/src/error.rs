//! What can go wrong, for programs.

use std::fmt;
use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use aiomas_core::connection::CloseReason;
use aiomas_core::wire::{Printable, RemoteError};

/// What a simulator's methods return. The error is what mosaik is told: an exception's type and message.
pub type Result<T, E = RemoteError> = std::result::Result<T, E>;

/// Why a simulation has not gone as it should.
///
/// `{:?}` is the text of `Display`, as `main` and `unwrap` print it; `{:#?}` shows the variant and its fields.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no connection, or a call over it was not answered.
    #[error(transparent)]
    Connection(#[from] aiomas::Error),
    /// mosaik, or the simulator, has not connected in time.
    #[error("nobody connected within {within:?} (`{setting}`){}", Others(*others))]
    NobodyConnected {
        /// How long it might take.
        within: Duration,
        /// What that is said by.
        setting: &'static str,
        /// How many other peers connected, such as port checks.
        others: usize,
    },
    /// The connection ended otherwise than by the other side closing it.
    #[error("the connection was lost: {0}")]
    Lost(CloseReason),
    /// A request of mosaik's has failed: the first one, as mosaik was told.
    #[error("{}() has failed: {error}", Printable(function))]
    Failed {
        /// Which function.
        function: String,
        /// What mosaik was told.
        error: RemoteError,
    },
    /// A simulator that we drive has failed.
    #[error("{}() of \"{}\" has failed: {error}", Printable(function), Printable(simulator))]
    Simulator {
        /// Its id.
        simulator: String,
        /// Which function.
        function: String,
        /// Its own words, or why it could not be called.
        error: Box<aiomas::Error>,
    },
    /// A simulator that we drive answers what no simulator may.
    #[error(
        "the answer of {}() of \"{}\" is wrong: {}",
        Printable(function),
        Printable(simulator),
        Printable(why)
    )]
    Answer {
        /// Its id.
        simulator: String,
        /// Which function.
        function: String,
        /// What is wrong with it.
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
    /// A simulator that was started has ended, without connecting to us.
    #[error("the simulator has ended without connecting: {status}")]
    NeverConnected {
        /// How it has ended.
        status: ExitStatus,
    },
    /// The system does not tell how a simulator's process is.
    #[error("cannot watch the simulator's process: {0}")]
    Process(#[from] io::Error),
}

/// The peers that were not the right one, if there were any.
struct Others(usize);

impl fmt::Display for Others {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => Ok(()),
            1 => f.write_str(", but for one other peer, which the log names"),
            count => write!(f, ", but for {count} other peers, which the log names"),
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
            Self::NobodyConnected { within, setting, others } => f
                .debug_struct("NobodyConnected")
                .field("within", within)
                .field("knob", setting)
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
