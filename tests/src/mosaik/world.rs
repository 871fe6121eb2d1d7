//! Simulations that mosaik runs.

use std::time::Duration;

use serde_json::Value;

use crate::process::Process;
use crate::python::Mosaik;

/// The time limit of a simulation.
const LIMIT: Duration = Duration::from_secs(600);

/// Runs a simulation with mosaik 3.6, `tests/python/mosaik/world.py`, and returns its result.
///
/// # Panics
///
/// It fails without an error message.
pub fn world(args: &[&str]) -> Value {
    world_of(Mosaik::V3_6, args)
}

/// Like [`world`], with a given version of mosaik.
///
/// # Panics
///
/// It fails without an error message.
pub fn world_of(mosaik: Mosaik, args: &[&str]) -> Value {
    let mut command = mosaik.program("world.py");
    command.args(args);
    let lines = Process::spawn(command).finish(LIMIT);
    let last = lines.last().and_then(|line| serde_json::from_str(line).ok());
    last.unwrap_or_else(|| panic!("{args:?}: {lines:?}"))
}
