//! Errors of the program.

use std::io;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus};

use crate::turbine::Watts;
use crate::wind::WindError;

/// An error that ends the program with status 1.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Wind(#[from] WindError),
    #[error("{}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot draw {}: {why}", path.display())]
    Draw { path: PathBuf, why: String },
    #[error("cannot start Python: {}: {source}", path.display())]
    Python { path: PathBuf, source: io::Error },
    #[error("system error: {0}")]
    System(#[from] io::Error),
    #[error("the scenario printed an invalid step: {source}: {line}")]
    Line { line: String, source: serde_json::Error },
    #[error("mosaik has ended after {steps} of {of} steps: {status}")]
    Ended { steps: usize, of: usize, status: ExitStatus },
    #[error("step {step} is not as it should be: {attr} of turbine {turbine} is {is}, not {not}")]
    Differs { step: usize, turbine: usize, attr: &'static str, is: String, not: String },
    #[error("{turbines} turbines are recorded in step {step}, not {of}")]
    Turbines { step: usize, turbines: usize, of: usize },
    #[error("step {step} is above the limit: {power} W of {limit} W")]
    AboveLimit { step: usize, power: Watts, limit: Watts },
    #[error("the clock: {0}")]
    Clock(#[from] aiomas_core::clock::DateError),
    #[error(transparent)]
    Aiomas(#[from] aiomas::Error),
    #[error(transparent)]
    Mosaik(#[from] aiomas_mosaik::Error),
    #[error(transparent)]
    Children(#[from] aiomas_subproc::Error),
}

impl Error {
    /// Returns the exit status. Simulators use mosaik's.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Mosaik(error) => error.exit_code(),
            _ => ExitCode::FAILURE,
        }
    }
}
