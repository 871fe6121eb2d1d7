//! The records of measurements: lines of JSON.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use aiomas_bench_contract::{Report, Spawned};
use serde::{Deserialize, Serialize};

use super::plan::Way;

/// A line of the file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub(crate) enum Line {
    /// The conditions of the measurement, always the first line.
    Setting(Setting),
    /// A contestant that could not be measured, with the reason.
    LeftOut { contestant: String, why: String },
    /// One measurement.
    Run(Record),
}

/// The machine and the conditions of a measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Setting {
    pub(crate) date: String,
    pub(crate) cpu: String,
    pub(crate) cpus: usize,
    pub(crate) kernel: String,
    pub(crate) pinned: bool,
    pub(crate) rounds: u32,
    pub(crate) seconds: f64,
    pub(crate) optimized: bool,
}

/// One measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) round: u32,
    pub(crate) mode: String,
    pub(crate) way: Way,
    pub(crate) contestant: String,
    /// The load average: the number of processes that waited for a CPU.
    pub(crate) load: f64,
    /// The percentage of time that the hypervisor gave to other machines.
    pub(crate) stolen: f64,
    #[serde(flatten)]
    pub(crate) outcome: Outcome,
}

/// The result of a measurement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub(crate) enum Outcome {
    Calls(Called),
    Idle(Idle),
    Spawned(Spawned),
    Failed { why: String },
}

/// The result of calls.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Called {
    #[serde(flatten)]
    pub(crate) report: Report,
    /// The server's CPU time per call, in microseconds.
    pub(crate) server_cpu: f64,
    /// The server's memory before and after, in bytes.
    pub(crate) memory: [u64; 2],
}

impl Called {
    /// Returns the calls per second.
    pub(crate) fn rate(&self) -> f64 {
        self.report.calls as f64 / self.report.seconds
    }

    /// Returns the capacity of the busier end, in calls per second. It assumes a CPU of its own,
    /// without waiting.
    pub(crate) fn capacity(&self) -> f64 {
        1e6 / self.report.client_cpu.max(self.server_cpu)
    }
}

/// The cost of idle connections.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Idle {
    pub(crate) connections: u32,
    /// The server's memory for all connections, in bytes.
    pub(crate) bytes: u64,
    /// Calls over another connection, one in flight, before the idle ones were opened.
    pub(crate) alone: Called,
    /// The same calls, with the idle connections open.
    pub(crate) beside: Called,
}

/// Reads a file of lines.
///
/// # Errors
/// The file cannot be read, or a line is invalid.
pub(crate) fn read(path: &Path) -> Result<Vec<Line>, String> {
    let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    let file = File::open(path).map_err(|error| wrong(&error))?;
    let lines = BufReader::new(file).lines().enumerate().map(|(number, line)| {
        let line = line.map_err(|error| wrong(&error))?;
        let at = |error| wrong(&format_args!("line {}: {error}", number + 1));
        serde_json::from_str(&line).map_err(at)
    });
    let lines = lines.collect::<Result<Vec<_>, _>>()?;
    if !lines.iter().any(|line| matches!(line, Line::Run(_))) {
        return Err(wrong(&"nothing was measured"));
    }
    Ok(lines)
}
