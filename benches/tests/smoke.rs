//! Smoke tests of each command and mode, and of rejected options.

use std::path::PathBuf;
use std::process::{Command, Output};

/// One contestant for each group with common code.
const CONTESTANTS: &str = "limit,ours-tokio-msgpack-typed,ours-tokio-json-dynamic,ours-smol-msgpack-dynamic,\
                           ours-async-std-blosc-typed";
/// Arguments for a fixed, small number of calls, without pinned CPUs.
const SMALL: [&str; 7] = ["--no-pin", "--rounds", "1", "--calls", "200", "--scale", "500"];

fn bench(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
    command.args(arguments).output().expect("a program")
}

/// A folder, removed when dropped.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let name = format!("aiomas-bench-{name}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // An error has no receiver here.
        let _removed = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs these modes. Returns the number of contestants with a result for each mode and transport.
fn run(name: &str, modes: &str, ways: &str, contestants: &str) -> Vec<(String, usize)> {
    let folder = Folder::new(name);
    let out = folder.0.to_str().expect("a path in Unicode");
    let options = ["run", "--modes", modes, "--ways", ways, "--contestants", contestants];
    let output = bench(&[&options[..], &["--out", out], &SMALL].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let table = folder.read("table.md");
    assert_eq!(String::from_utf8_lossy(&output.stdout), table);
    // The same output can be made from the lines.
    let lines = folder.0.join("lines.jsonl");
    let again = Folder::new(&format!("{name}-again"));
    let again_path = again.0.to_str().expect("a path in Unicode");
    let output = bench(&["table", lines.to_str().expect("a path"), "--out", again_path]);
    assert!(output.status.success());
    assert_eq!(again.read("table.md"), table);

    let mut counts: Vec<(String, usize)> = Vec::new();
    for line in folder.read("lines.jsonl").lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("a line of JSON");
        if line["line"] != "run" {
            continue;
        }
        assert_ne!(line["outcome"], "failed", "{line}");
        if line["outcome"] == "calls" {
            assert!(line["calls"].as_u64() > Some(0), "{line}");
            assert!(line["p50"].as_f64() <= line["p99"].as_f64(), "{line}");
            // Such a short run may have ended before its CPU time is read.
            assert!(line["server_cpu"].as_f64() >= Some(0.0), "{line}");
        }
        let key = format!("{} {}", line["mode"], line["way"]).replace('"', "");
        match counts.iter_mut().find(|(known, _)| *known == key) {
            Some((_, count)) => *count += 1,
            None => counts.push((key, 1)),
        }
    }
    counts
}

fn expect(counts: &[(String, usize)], expected: &[(&str, usize)]) {
    let counts: Vec<_> = counts.iter().map(|(key, count)| (&**key, *count)).collect();
    assert_eq!(counts, expected);
}

#[test]
fn calls_over_all_ways() {
    let counts = run("calls", "seq,pipe", "tcp,unix,tls", CONTESTANTS);
    let mut expected = Vec::new();
    for mode in ["seq", "pipe64", "pipe1024"] {
        // The limits have no TLS.
        for (way, count) in [("tcp", 7), ("unix", 7), ("tls", 4)] {
            expected.push((format!("{mode} {way}"), count));
        }
    }
    assert_eq!(counts, expected);
}

#[test]
fn payloads() {
    let contestants = "limit,ours-tokio-msgpack-typed,ours-tokio-json-dynamic";
    expect(&run("bulk", "bulk", "tcp", contestants), &[("bulk64k tcp", 4), ("bulk1m tcp", 4)]);
}

#[test]
fn many_connections_and_agents() {
    let counts = run("many", "conns,agents,idle,spawn", "tcp", CONTESTANTS);
    expect(
        &counts,
        &[
            ("conns1000 tcp", 6),
            ("agents1000 tcp", 4),
            ("agents100000 tcp", 4),
            ("idle10000 tcp", 6),
            ("spawn100000 tcp", 4),
        ],
    );
}

/// The original library is a contestant like any other.
#[test]
fn python() {
    let counts = run("python", "seq,conns,idle", "tcp,unix", "python-msgpack");
    let both = ["seq tcp", "seq unix", "conns1000 tcp", "conns1000 unix", "idle10000 tcp"];
    let mut expected: Vec<_> = both.into_iter().map(|key| (key, 2)).collect();
    expected.push(("idle10000 unix", 2));
    expect(&counts, &expected);
}

/// A peer that fails to build is named, and the others are measured without it.
#[test]
fn a_peer_that_does_not_build_is_left_out() {
    let folder = Folder::new("left-out");
    let out = folder.0.to_str().expect("a path in Unicode");
    let mut command = Command::new(env!("CARGO_BIN_EXE_bench"));
    let options = ["run", "--modes", "seq", "--contestants", "jsonrpsee", "--out", out];
    let output = command.args(options).args(SMALL).env("CARGO", "/bin/false").output();
    let output = output.expect("a program");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("jsonrpsee is left out: the build fails"), "{errors}");
    assert!(output.status.success(), "{errors}");
    let table = folder.read("table.md");
    assert!(table.contains("\n| limit-tokio | "), "{table}");
    assert!(
        table.contains("### Left out\n\n- jsonrpsee: the build fails: no error message\n"),
        "{table}"
    );
    assert!(!table.contains("| jsonrpsee |"), "{table}");
}

/// Each threshold has a verdict. On a test machine they may fail.
#[test]
fn the_gate_has_a_verdict_for_each_bar() {
    let output = bench(&[&["gate"], &SMALL[..]].concat());
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    let count = |verdict: &str| text.lines().filter(|line| line.ends_with(verdict)).count();
    let (held, missed) = (count("holds"), count("MISSED"));
    assert_eq!(held + missed, 11, "{text}{errors}");
    assert!(!text.contains("nothing") && !text.contains(" fails in "), "{text}");
    assert_eq!(output.status.code(), Some(i32::from(missed > 0)));
    assert_eq!(errors.contains(&format!("{missed} of 11 thresholds are missed")), missed > 0);
}

#[test]
fn codecs() {
    let output = bench(&["codec", "--seconds", "0.001"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout);
    let rows: Vec<Vec<&str>> =
        text.lines().skip(2).map(|line| line.split('|').map(str::trim).collect()).collect();
    assert_eq!(rows.len(), 12, "{text}");
    // Python supports eight of them.
    assert_eq!(rows.iter().filter(|row| row[5].parse::<f64>().is_ok()).count(), 8, "{text}");
    assert!(rows.iter().all(|row| row[2].parse::<f64>().is_ok_and(|micros| micros > 0.0)));
}

#[test]
fn impossible_options_are_refused() {
    for (arguments, status, text) in [
        (&[][..], 2, "Usage: bench"),
        (&["run", "--modes", "seq,sideways"], 2, "no name begins with \"sideways\""),
        (&["run", "--contestants", "unknown"], 2, "no name begins with \"unknown\""),
        (&["run", "--contestants", ""], 2, "no name begins with \"\""),
        (&["run", "--modes", "spawn", "--ways", "unix"], 2, "can do spawn100000"),
        (&["run", "--modes", "agents1000", "--contestants", "tarpc"], 2, "can do agents1000"),
        (&["run", "--ways", "pigeon"], 2, "invalid value 'pigeon'"),
        (&["run", "--rounds", "0"], 2, "0 is not in 1..=1000"),
        (&["run", "--seconds", "0"], 2, "must be a time from 0.01 s to 600 s"),
        (&["run", "--calls", "1", "--seconds", "1"], 2, "cannot be used with"),
        (&["run", "--seconds", "inf"], 2, "must be a time from 0.01 s to 600 s"),
        (&["run", "--modes", "seq", "--out", "/dev/null/x"], 1, "/dev/null/x"),
        (&["gate", "--seconds", "x"], 2, "must be a time from"),
        (&["table", "/nowhere/lines.jsonl"], 1, "/nowhere/lines.jsonl: No such file"),
        (&["table", "/dev/null"], 1, "nothing was measured"),
        (&["codec", "--seconds", "0"], 2, "must be a time from"),
        (&["instructions", "--check", "--write"], 2, "cannot be used with"),
        (&["instructions", "--run", "nothing", "1"], 1, "there is no workload nothing"),
        (&["syscalls", "--contestants", "unknown"], 2, "no name begins with \"unknown\""),
        (&["contestant"], 2, "Usage"),
        (&["contestant", "unknown", "serve"], 2, "there is no such contestant"),
        (
            &["contestant", "limit-tokio", "serve", "--address", "tls://127.0.0.1:0"],
            2,
            "it does not speak TLS",
        ),
        (
            &["contestant", "limit-blocking", "call", "--address", "tcp://h:1", "--payload", "1"],
            2,
            "it carries no payload",
        ),
    ] {
        let output = bench(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(text), "{arguments:?}: {stderr}");
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

/// A client without a server reports the error.
#[test]
fn contestants_that_fail_say_why() {
    let limits = ["limit-blocking", "limit-batched", "limit-tokio"];
    for contestant in limits.into_iter().chain(["ours-tokio-msgpack-typed"]) {
        // Port 1 has no listener.
        let call = ["contestant", contestant, "call", "--address", "tcp://127.0.0.1:1"];
        let output = bench(&call);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.to_lowercase().contains("connection refused"), "{contestant}: {stderr}");
        assert_eq!(output.status.code(), Some(1), "{contestant}");
    }
}

/// Missing tools are named.
#[test]
fn missing_tools_are_named() {
    for (command, text) in [("syscalls", "strace"), ("instructions", "valgrind")] {
        let mut bench = Command::new(env!("CARGO_BIN_EXE_bench"));
        let output = bench.arg(command).env("PATH", "/nowhere").output().expect("a program");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains(&format!("{text} cannot be started")), "{stderr}");
        assert!(stderr.contains("please install it"), "{stderr}");
        assert_eq!(output.status.code(), Some(1));
    }
}
