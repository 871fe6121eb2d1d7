//! `bench syscalls`: counts system calls per call with strace.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use aiomas_bench_contract::{Measuring, Report, Serving};
use clap::Args;

use crate::harness::{Child, Contestant, Prepared, select};

/// Counts system calls per call.
#[derive(Clone, Debug, Args)]
pub(crate) struct Syscalls {
    /// The contestants, by prefixes of their names.
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "limit-tokio,ours-tokio-json-typed,ours-tokio-msgpack-typed"
    )]
    contestants: Vec<String>,
}

/// The number of calls in the short run. The difference to the long run excludes start and end.
const FEW: u64 = 1_000;
const MANY: u64 = 6_000;
/// The time limit of a run under strace.
const PATIENCE: Duration = Duration::from_secs(60);

/// The number of system calls, by name.
type Counts = BTreeMap<String, u64>;

impl Syscalls {
    /// Returns the selected contestants.
    ///
    /// # Errors
    /// A prefix matches no contestant.
    pub(crate) fn plan(&self) -> Result<Vec<Contestant>, String> {
        select(&self.contestants, &Contestant::all(), |contestant| &contestant.name)
    }
}

/// Runs `bench syscalls`.
///
/// # Errors
/// strace is missing, or a contestant fails.
pub(crate) fn syscalls_per_call(contestants: &[Contestant]) -> Result<(), String> {
    let found = Command::new("strace").arg("-V").output();
    found.map_err(|error| format!("strace cannot be started ({error}); please install it"))?;
    println!("| contestant | in flight | end | reads | writes | polls | others |");
    println!("|---|--:|---|--:|--:|--:|--:|");
    for contestant in contestants {
        let who = contestant.prepare()?;
        for in_flight in [1, 64] {
            let (few, many) = (count(&who, in_flight, FEW)?, count(&who, in_flight, MANY)?);
            for (end, few, many) in [("client", &few.0, &many.0), ("server", &few.1, &many.1)] {
                let each = KINDS.map(|kind| {
                    let of = |counts: &Counts| -> u64 {
                        let ours = counts.iter().filter(|(name, _)| kind_of(name) == kind);
                        ours.map(|(_, count)| count).sum()
                    };
                    let more = of(many) as f64 - of(few) as f64;
                    // The cost of starting varies, so a difference may be negative.
                    format!("{:.3}", (more / (MANY - FEW) as f64).max(0.0))
                });
                println!("| {} | {in_flight} | {end} | {} |", contestant.name, each.join(" | "));
            }
        }
    }
    Ok(())
}

const KINDS: [&str; 4] = ["reads", "writes", "polls", "others"];

fn kind_of(name: &str) -> &'static str {
    match name {
        "read" | "readv" | "recvfrom" | "recvmsg" => KINDS[0],
        "write" | "writev" | "sendto" | "sendmsg" => KINDS[1],
        "epoll_wait" | "epoll_pwait" | "epoll_pwait2" | "poll" | "ppoll" => KINDS[2],
        _ => KINDS[3],
    }
}

/// Returns the counts of the client and the server for this number of calls.
fn count(who: &Prepared, in_flight: u32, calls: u64) -> Result<(Counts, Counts), String> {
    let (server, server_file) = under_strace(who.command(), "server");
    let (client, client_file) = under_strace(who.command(), "client");
    let result = run(server, client, in_flight, calls);
    let counts = result.and_then(|()| Ok((read(&client_file)?, read(&server_file)?)));
    for file in [client_file, server_file] {
        // The file may be missing after an earlier failure.
        let _removed = std::fs::remove_file(file);
    }
    counts.map_err(|error| format!("{}: {error}", who.contestant.name))
}

fn run(mut server: Command, mut client: Command, in_flight: u32, calls: u64) -> Result<(), String> {
    server.arg("serve");
    let mut server = Child::start(server, None)?;
    let serving: Serving = server.line(PATIENCE)?;
    client.args(["call", "--address", &serving.address]);
    client.args(["--in-flight", &in_flight.to_string(), "--calls", &calls.to_string()]);
    let mut client = Child::start(client, None)?;
    client.line::<Measuring>(PATIENCE)?;
    client.line::<Report>(PATIENCE)?;
    client.end()?;
    server.end()
}

fn under_strace(program: Command, end: &str) -> (Command, PathBuf) {
    let file = format!("aiomas-bench-strace-{}-{end}", std::process::id());
    let file = std::env::temp_dir().join(file);
    let mut command = Command::new("strace");
    command.args(["-f", "-c", "-o"]).arg(&file);
    command.arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    (command, file)
}

fn read(file: &Path) -> Result<Counts, String> {
    let text = std::fs::read_to_string(file);
    let text = text.map_err(|error| format!("{}: {error}", file.display()))?;
    let counts = parse(&text);
    if counts.is_empty() { Err(format!("strace has counted nothing:\n{text}")) } else { Ok(counts) }
}

/// Parses lines such as ` 98.30    0.011  5   2007     3 read`. The column of errors is optional.
fn parse(text: &str) -> Counts {
    let rows = text.lines().filter_map(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        let (count, name) = (words.get(3)?.parse().ok()?, words.last()?);
        (words.len() <= 6 && *name != "total").then(|| ((*name).to_owned(), count))
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strace_output_is_parsed() {
        let text = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 61.29    0.000019           1        10         2 recvfrom
 38.71    0.000012          12         1           sendto
------ ----------- ----------- --------- --------- ----------------
100.00    0.000031           2        11         2 total
";
        let counts = [("recvfrom".to_owned(), 10), ("sendto".to_owned(), 1)];
        assert_eq!(parse(text), Counts::from(counts));
        assert!(parse("strace: cannot trace\n").is_empty());
    }
}
