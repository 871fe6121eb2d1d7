//! Counts user-space instructions per call with callgrind, and holds them against the committed figures.
//!
//! The counts depend neither on load nor on the speed of the machine, but on the compiler: after a change of
//! that, write them anew.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use aiomas_core::wire::Codec;
use aiomas_tests::instructions::{core_round_trips, poll_round_trips};
use aiomas_tests::tokio_calls::tokio_round_trips;
use clap::Parser;

/// What is counted, and how much it may be by the design.
const WORKLOADS: [(&str, Option<u64>); 8] = [
    ("core-msgpack", Some(1_200)),
    ("core-json", Some(1_800)),
    ("poll-msgpack", None),
    ("poll-json", None),
    ("tokio-msgpack", Some(2_000)),
    ("tokio-json", Some(2_800)),
    ("tokio-msgpack-1", None),
    ("tokio-json-1", None),
];
/// How many calls a program makes: the difference tells what a call costs, without start and end.
const FEW: u32 = 1_000;
const MANY: u32 = 11_000;
/// By how much a count may grow, in percent.
const TOLERANCE: u64 = 3;

#[derive(Debug, Parser)]
struct Options {
    /// Fail if a count is more than 3 % above the committed one.
    #[arg(long)]
    check: bool,
    /// Write the counts to the committed file.
    #[arg(long, conflicts_with = "check")]
    write: bool,
    /// Only make this many calls of a workload, without counting.
    #[arg(long, hide = true, num_args = 2, value_names = ["WORKLOAD", "CALLS"])]
    run: Option<Vec<String>>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if let Some([workload, calls]) = options.run.as_deref() {
        run(workload, calls.parse().expect("a number of calls"));
        return ExitCode::SUCCESS;
    }
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/instructions.json");
    let committed: BTreeMap<String, u64> = std::fs::read_to_string(&file)
        .map(|text| serde_json::from_str(&text).expect("the file holds counts"))
        .unwrap_or_default();
    let mut counts = BTreeMap::new();
    let mut failed = false;
    println!("{:<14} {:>8} {:>10} {:>6}", "per call", "counted", "committed", "bar");
    for (workload, bar) in WORKLOADS {
        let count = (count(workload, MANY) - count(workload, FEW)) / u64::from(MANY - FEW);
        let before = committed.get(workload).copied();
        let worse = before.is_none_or(|before| count * 100 > before * (100 + TOLERANCE));
        let show =
            |number: Option<u64>| number.map_or_else(|| "-".into(), |number| number.to_string());
        let note = if options.check && worse { "  more than 3 % above" } else { "" };
        println!("{workload:<14} {count:>8} {:>10} {:>6}{note}", show(before), show(bar));
        failed |= options.check && worse;
        counts.insert(workload, count);
    }
    if options.write {
        let text = serde_json::to_string_pretty(&counts).expect("counts");
        std::fs::write(&file, text + "\n").expect("the file can be written");
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn run(workload: &str, calls: u32) {
    match workload {
        "core-msgpack" => core_round_trips(Codec::MsgPack, calls),
        "core-json" => core_round_trips(Codec::Json, calls),
        "poll-msgpack" => poll_round_trips(Codec::MsgPack, calls),
        "poll-json" => poll_round_trips(Codec::Json, calls),
        "tokio-msgpack" => tokio_round_trips(Codec::MsgPack, calls, 64),
        "tokio-json" => tokio_round_trips(Codec::Json, calls, 64),
        "tokio-msgpack-1" => tokio_round_trips(Codec::MsgPack, calls, 1),
        "tokio-json-1" => tokio_round_trips(Codec::Json, calls, 1),
        other => panic!("there is no workload {other}"),
    }
}

/// The instructions of a program that makes `calls` calls.
fn count(workload: &str, calls: u32) -> u64 {
    let program = std::env::current_exe().expect("the path of this program");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["--run", workload, &calls.to_string()])
        .output()
        .unwrap_or_else(|error| panic!("cannot run valgrind ({error}); please install it"));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "valgrind failed:\n{text}");
    let collected = text.lines().find_map(|line| line.split_once("Collected : "));
    collected
        .and_then(|(_, number)| number.trim().parse().ok())
        .unwrap_or_else(|| panic!("valgrind says no number:\n{text}"))
}
