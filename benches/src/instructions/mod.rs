//! `bench instructions`: counts user-space instructions per call with callgrind, and holds them against the
//! committed figures.
//!
//! The counts depend neither on load nor on the speed of the machine, but on the compiler: after a change of
//! that, write them anew.

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
    /// Count what needs a runtime or sockets, too. Such counts differ a little from run to run.
    #[arg(long)]
    all: bool,
    /// Only make this many calls of a workload, without counting.
    #[arg(long, hide = true, num_args = 2, value_names = ["WORKLOAD", "CALLS"], exclusive = true)]
    run: Option<Vec<String>>,
}

/// What makes calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Host {
    /// Nothing: two connections that are given each other's bytes.
    Core,
    /// The poll loop, with 64 calls in flight.
    Poll,
    /// A runtime, with so many calls in flight.
    Driver(On, u32),
}

/// What is counted.
#[derive(Clone, Copy, Debug)]
struct Workload {
    host: Host,
    codec: Codec,
}

/// How many calls a program makes: the difference tells what a call costs, without start and end.
const FEW: u32 = 1_000;
const MANY: u32 = 11_000;
/// By how much a count may grow, in percent.
const TOLERANCE: u64 = 3;

impl Workload {
    fn all() -> impl Iterator<Item = Self> {
        let drivers = On::ALL.into_iter().flat_map(|on| [64, 1].map(|n| Host::Driver(on, n)));
        let hosts = [Host::Core, Host::Poll].into_iter().chain(drivers);
        hosts.flat_map(|host| [Codec::MsgPack, Codec::Json].map(|codec| Self { host, codec }))
    }

    /// `core-msgpack`, `tokio-json-64`
    fn name(self) -> String {
        let codec = self.codec.name();
        match self.host {
            Host::Core => format!("core-{codec}"),
            Host::Poll => format!("poll-{codec}"),
            Host::Driver(on, in_flight) => format!("{}-{codec}-{in_flight}", on.name()),
        }
    }

    /// How many it may be by the design.
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

    /// The instructions of a call.
    fn count(self) -> Result<u64, String> {
        let of = |calls| instructions(&self.name(), calls);
        Ok(of(MANY)?.saturating_sub(of(FEW)?) / u64::from(MANY - FEW))
    }
}

/// # Errors
/// There is no valgrind, or a count that is checked has grown.
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
        let text = serde_json::to_string_pretty(&counts).map_err(|error| error.to_string())?;
        std::fs::write(&file, text + "\n").map_err(|error| wrong(&file, &error))?;
    }
    if options.check && !grown.is_empty() {
        return Err(format!("more than {TOLERANCE} % above: {}", grown.join(", ")));
    }
    Ok(())
}

/// Whether a count is too much above the committed one. What is new has to be committed first.
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

/// The instructions of a program that makes `calls` calls.
fn instructions(workload: &str, calls: u32) -> Result<u64, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["instructions", "--run", workload, &calls.to_string()])
        // Runtimes with threads of their own shall have one.
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
