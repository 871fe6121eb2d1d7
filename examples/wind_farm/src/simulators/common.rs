//! Code shared by both simulators: their steps, and errors of scenarios.

use aiomas_mosaik::{RemoteError, Result, Time};

use crate::wind::STEP;

/// Returns the time of the next step. The wind file sets the step size of both simulators.
pub(super) fn next(time: Time) -> Time {
    time + Time::from(STEP)
}

/// Checks that time is in seconds.
pub(super) fn check_resolution(time_resolution: f64) -> Result<()> {
    if time_resolution == 1.0 {
        return Ok(());
    }
    Err(RemoteError::value_error(format_args!(
        "the time resolution has to be 1 second, and is {time_resolution}"
    )))
}

pub(super) fn unknown_attribute(attr: &str) -> RemoteError {
    RemoteError::new("KeyError", format_args!("\"{attr}\" is no output"))
}
