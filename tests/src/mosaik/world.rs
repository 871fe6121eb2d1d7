//! Simulations that mosaik runs.

use std::time::Duration;

use serde_json::Value;

use crate::process::Process;
use crate::python::Mosaik;

/// How long a simulation may take.
const LIMIT: Duration = Duration::from_secs(600);

/// Lets mosaik 3.6 run a simulation: `tests/python/mosaik/world.py`. Returns what came of it.
///
/// # Panics
///
/// If it fails without saying why.
pub fn world(args: &[&str]) -> Value {
    world_of(Mosaik::V3_6, args)
}

/// As [`world`], with a version of mosaik.
///
/// # Panics
///
/// If it fails without saying why.
pub fn world_of(mosaik: Mosaik, args: &[&str]) -> Value {
    let mut command = mosaik.program("world.py");
    command.args(args);
    let lines = Process::spawn(command).finish(LIMIT);
    let last = lines.last().and_then(|line| serde_json::from_str(line).ok());
    last.unwrap_or_else(|| panic!("{args:?}: {lines:?}"))
}
