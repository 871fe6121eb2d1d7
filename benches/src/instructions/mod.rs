//! `bench instructions`: counts user-space instructions per call with callgrind.
//!
//! The counts are compared with committed figures. They do not depend on the load or speed of the
//! machine, but on the compiler: after a change of compiler, write new figures.

mod drivers;
mod machines;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use aiomas_core::wire::Codec;
use clap::Args;

use crate::ours::On;

/// Counts user-space instructions per call.
#[derive(Clone, Debug, Args)]
pub(crate) struct Instructions {
    /// Fail if a count is more than 3 % above the committed one.
    #[arg(long)]
    check: bool,
    /// Write the counts to the committed file.
    #[arg(long, conflicts_with = "check")]
    write: bool,
    /// Include workloads with a runtime or sockets. Their counts vary slightly between runs.
    #[arg(long)]
    all: bool,
    /// Only make this number of calls of a workload, without counting.
    #[arg(long, hide = true, num_args = 2, value_names = ["WORKLOAD", "CALLS"], exclusive = true)]
    run: Option<Vec<String>>,
}

/// The environment that makes the calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Host {
    /// None: two connections exchange bytes in memory.
    Core,
    /// The poll loop, with 64 calls in flight.
    Poll,
    /// A runtime, with this number of calls in flight.
    Driver(On, u32),
}

/// A counted workload.
#[derive(Clone, Copy, Debug)]
struct Workload {
    host: Host,
    codec: Codec,
}

/// The number of calls in the short run. The difference to the long run excludes start and end.
const FEW: u32 = 1_000;
const MANY: u32 = 11_000;
/// The permitted growth of a count, in percent.
const TOLERANCE: u64 = 3;

impl Workload {
    fn all() -> impl Iterator<Item = Self> {
        let drivers = On::ALL.into_iter().flat_map(|on| [64, 1].map(|n| Host::Driver(on, n)));
        let hosts = [Host::Core, Host::Poll].into_iter().chain(drivers);
        hosts.flat_map(|host| [Codec::MsgPack, Codec::Json].map(|codec| Self { host, codec }))
    }

    /// Returns the name, such as `core-msgpack` or `tokio-json-64`.
    fn name(self) -> String {
        let codec = self.codec.name();
        match self.host {
            Host::Core => format!("core-{codec}"),
            Host::Poll => format!("poll-{codec}"),
            Host::Driver(on, in_flight) => format!("{}-{codec}-{in_flight}", on.name()),
        }
    }

    /// Returns the threshold of the design.
    fn bar(self) -> Option<u64> {
        match (self.host, self.codec) {
            (Host::Core, Codec::MsgPack) => Some(1_200),
            (Host::Core, _) => Some(1_800),
            (Host::Driver(On::Tokio, 64), Codec::MsgPack) => Some(2_000),
            (Host::Driver(On::Tokio, 64), _) => Some(2_800),
            _ => None,
        }
    }

    fn run(self, calls: u32) {
        match self.host {
            Host::Core => machines::core_round_trips(self.codec, calls),
            Host::Poll => machines::poll_round_trips(self.codec, calls),
            Host::Driver(on, in_flight) => drivers::round_trips(on, self.codec, calls, in_flight),
        }
    }

    /// Returns the instructions per call.
    fn count(self) -> Result<u64, String> {
        let of = |calls| instructions(&self.name(), calls);
        Ok(of(MANY)?.saturating_sub(of(FEW)?) / u64::from(MANY - FEW))
    }
}

/// Runs `bench instructions`.
///
/// # Errors
/// valgrind is missing, or a checked count has grown.
pub(crate) fn instructions_per_call(options: &Instructions) -> Result<(), String> {
    if let Some([workload, calls]) = options.run.as_deref() {
        let found = Workload::all().find(|known| known.name() == *workload);
        let workload = found.ok_or_else(|| format!("there is no workload {workload}"))?;
        let calls = calls.parse().map_err(|_| format!("{calls} is no number of calls"))?;
        workload.run(calls);
        return Ok(());
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/instructions.json");
    let mut counts = read(&file)?;
    let mut grown = Vec::new();
    println!("{:<20} {:>8} {:>10} {:>6}", "per call", "counted", "committed", "bar");
    for workload in Workload::all().filter(|known| options.all || known.host == Host::Core) {
        let (name, count) = (workload.name(), workload.count()?);
        let before = counts.insert(name.clone(), count);
        let show =
            |number: Option<u64>| number.map_or_else(|| "-".into(), |number| number.to_string());
        println!("{name:<20} {count:>8} {:>10} {:>6}", show(before), show(workload.bar()));
        if has_grown(before, count) {
            grown.push(name);
        }
    }
    if options.write {
        // Removes counts of workloads that no longer exist.
        counts.retain(|name, _| Workload::all().any(|known| known.name() == *name));
        let text = serde_json::to_string_pretty(&counts).map_err(|error| error.to_string())?;
        std::fs::write(&file, text + "\n").map_err(|error| wrong(&file, &error))?;
    }
    if options.check && !grown.is_empty() {
        return Err(format!("more than {TOLERANCE} % above: {}", grown.join(", ")));
    }
    Ok(())
}

/// Returns whether a count exceeds the committed one too far. A new workload must be committed
/// first.
fn has_grown(before: Option<u64>, count: u64) -> bool {
    before.is_none_or(|before| count * 100 > before * (100 + TOLERANCE))
}

fn read(file: &PathBuf) -> Result<BTreeMap<String, u64>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| wrong(file, &error))?;
    serde_json::from_str(&text).map_err(|error| wrong(file, &error))
}

fn wrong(file: &Path, error: &dyn std::fmt::Display) -> String {
    format!("{}: {error}", file.display())
}

/// Returns the instructions of a program that makes `calls` calls.
fn instructions(workload: &str, calls: u32) -> Result<u64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["instructions", "--run", workload, &calls.to_string()])
        // Limits runtimes with thread pools to one thread.
        .env("ASYNC_STD_THREAD_COUNT", "1")
        .env("SMOL_THREADS", "1")
        .output()
        .map_err(|error| format!("valgrind cannot be started ({error}); please install it"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let collected = text.lines().find_map(|line| line.split_once("Collected : "));
    match collected.map(|(_, number)| number.trim().parse()) {
        Some(Ok(number)) if output.status.success() => Ok(number),
        _ => Err(format!("valgrind fails for {workload}:\n{text}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth() {
        assert!(has_grown(None, 1));
        assert!(!has_grown(Some(1000), 1030));
        assert!(has_grown(Some(1000), 1031));
    }

    #[test]
    fn each_workload_makes_its_calls() {
        for workload in Workload::all() {
            workload.run(100);
        }
    }

    #[test]
    fn the_committed_counts_are_those_of_the_workloads() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/instructions.json");
        let mut names: Vec<_> = Workload::all().map(Workload::name).collect();
        names.sort();
        let counts = read(&file).expect("counts");
        assert_eq!(counts.into_keys().collect::<Vec<_>>(), names);
    }
}
