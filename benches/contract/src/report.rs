//! The output of contestants: lines of JSON.

use std::io::Write;

use serde::{Deserialize, Serialize};

/// A server is listening.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Serving {
    /// The address, with the real port.
    pub address: String,
    /// The cost of its agents, if measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<Spawned>,
}

/// The cost of idle agents.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spawned {
    /// The number of agents.
    pub count: u32,
    /// The time for all agents, in seconds.
    pub seconds: f64,
    /// The memory for all agents, in bytes.
    pub bytes: u64,
}

/// The measured time has begun.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measuring {
    /// Always `true`.
    pub measuring: bool,
}

/// All connections are open, and each has made a call.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Holding {
    /// The number of connections.
    pub holding: u32,
}

/// The result of a measurement.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The number of calls that ended in the measured time.
    pub calls: u64,
    /// The measured time, in seconds.
    pub seconds: f64,
    /// The median latency, in microseconds.
    pub p50: f64,
    /// The 90th percentile of latency, in microseconds.
    pub p90: f64,
    /// The 99th percentile of latency, in microseconds.
    pub p99: f64,
    /// The 99.9th percentile of latency, in microseconds.
    pub p99_9: f64,
    /// The maximum latency, in microseconds.
    pub max: f64,
    /// The client's CPU time per call, in microseconds.
    pub client_cpu: f64,
}

/// Prints a line.
///
/// # Errors
/// The reader has closed the pipe.
pub fn say<T: Serialize>(line: &T) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, line)?;
    out.write_all(b"\n")?;
    out.flush()
}
