//! What contestants print: lines of JSON.

use std::io::Write;

use serde::{Deserialize, Serialize};

/// A server listens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Serving {
    /// Where, with the real port.
    pub address: String,
    /// What its agents have taken, if they were counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<Spawned>,
}

/// What it has taken to make agents that do nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spawned {
    /// How many.
    pub count: u32,
    /// The time for all, in seconds.
    pub seconds: f64,
    /// The memory for all, in bytes.
    pub bytes: u64,
}

/// The time that counts has begun.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measuring {
    /// Always `true`.
    pub measuring: bool,
}

/// Connections are open, each of which has made a call.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Holding {
    /// How many.
    pub holding: u32,
}

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Calls that ended in the time that counts.
    pub calls: u64,
    /// That time.
    pub seconds: f64,
    /// Half of the calls took no longer, in microseconds.
    pub p50: f64,
    /// 90 % of them.
    pub p90: f64,
    /// 99 % of them.
    pub p99: f64,
    /// 99.9 % of them.
    pub p99_9: f64,
    /// The longest.
    pub max: f64,
    /// The client's CPU time per call, in microseconds.
    pub client_cpu: f64,
}

/// Prints a line.
///
/// # Errors
/// Nobody reads.
pub fn say<T: Serialize>(line: &T) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    serde_json::to_writer(&mut out, line)?;
    out.write_all(b"\n")?;
    out.flush()
}
