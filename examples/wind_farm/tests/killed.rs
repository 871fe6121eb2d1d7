//! Runs in which a process is killed.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aiomas_tests::python;
use rustix::process::{Pid, Signal, kill_process};

/// The time limit of each wait.
const LIMIT: Duration = Duration::from_secs(600);

/// A process, by its id and start time, because ids are reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Process {
    id: i32,
    started: u64,
}

/// Returns a running process and the id of its parent.
fn process(id: i32) -> Option<(Process, i32)> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name may contain any character. After it come the state and the parent; the start time is
    // field 20.
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<_> = rest.split(' ').collect();
    let alive = !matches!(fields[0], "Z" | "X");
    let (parent, started) = (fields[1].parse().ok()?, fields[19].parse().ok()?);
    alive.then_some((Process { id, started }, parent))
}

/// Returns all descendants of a process.
fn descendants(of: i32) -> BTreeSet<Process> {
    let entries = fs::read_dir("/proc").expect("Linux");
    let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let all: Vec<_> = ids.filter_map(process).collect();
    let mut found = BTreeSet::new();
    let mut parents = vec![of];
    while let Some(parent) = parents.pop() {
        for (child, _) in all.iter().filter(|(_, of)| *of == parent) {
            found.insert(*child);
            parents.push(child.id);
        }
    }
    found
}

fn children(of: i32) -> Vec<i32> {
    let of_it = |child: &Process| process(child.id).is_some_and(|(_, parent)| parent == of);
    descendants(of).into_iter().filter(of_it).map(|child| child.id).collect()
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < LIMIT, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A run in the middle of a week: the program, Python, both simulators, and two processes with
/// agents.
struct Week {
    program: Child,
    all: BTreeSet<Process>,
    out: std::path::PathBuf,
}

impl Week {
    fn start(name: &str) -> Self {
        let name = format!("wind-farm-{}-{name}", std::process::id());
        let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&out).expect("a folder can be made");
        let mut command = Command::new(env!("CARGO_BIN_EXE_wind_farm"));
        command.args(["run", "--turbines", "300", "--days", "7", "--out"]).arg(&out);
        command.arg("--python").arg(python::Mosaik::V3_6.interpreter());
        let program = command.stderr(Stdio::piped()).stdout(Stdio::null()).spawn();
        let mut week = Self { program: program.expect("a program"), all: BTreeSet::new(), out };
        wait_until("there is no step", || week.steps() > 0);
        week.all = descendants(week.id());
        assert_eq!(week.all.len(), 5, "{:?}", week.all);
        week
    }

    fn id(&self) -> i32 {
        self.program.id() as i32
    }

    fn steps(&self) -> usize {
        let days = fs::read_to_string(self.out.join("days.jsonl")).unwrap_or_default();
        days.lines().count()
    }

    /// Waits until all processes have ended. Returns the program's status and its last message.
    fn end(mut self) -> (Option<i32>, String) {
        let mut said = String::new();
        let mut stderr = self.program.stderr.take().expect("a pipe");
        // Standard error ends when all processes that could write to it have ended.
        stderr.read_to_string(&mut said).expect("text");
        let status = self.program.wait().expect("our child can be waited for");
        let alive =
            |process: &&Process| self::process(process.id).is_some_and(|(it, _)| it == **process);
        wait_until("all processes have ended", || self.all.iter().filter(alive).count() == 0);
        assert!(self.steps() < 7 * 96, "the run ended too early");
        let last = said.lines().last().unwrap_or_default();
        (status.code(), last.to_owned())
    }
}

impl Drop for Week {
    fn drop(&mut self) {
        let _ended = self.program.kill();
        let _ended = self.program.wait();
        let _gone = fs::remove_dir_all(&self.out);
    }
}

fn kill(id: i32) {
    let id = Pid::from_raw(id).expect("a number of a process");
    kill_process(id, Signal::KILL).expect("present");
}

#[test]
fn mosaik_is_killed() {
    let week = Week::start("mosaik");
    let [python] = children(week.id())[..] else { panic!("Python is the only child") };
    kill(python);
    let (status, said) = week.end();
    assert_eq!(status, Some(1), "{said}");
    assert!(said.starts_with("wind_farm: mosaik has ended after "), "{said}");
    assert!(said.ends_with(" of 672 steps: signal: 9 (SIGKILL)"), "{said}");
}

#[test]
fn a_process_with_agents_is_killed() {
    let week = Week::start("agents");
    let [python] = children(week.id())[..] else { panic!("Python is the only child") };
    // The simulator of agents is the one with children.
    let agents = children(python).into_iter().flat_map(children).collect::<Vec<_>>();
    assert_eq!(agents.len(), 2);
    kill(agents[0]);
    let (status, said) = week.end();
    assert_eq!(status, Some(1), "{said}");
    assert!(said.starts_with("wind_farm: mosaik has ended after "), "{said}");
}

#[test]
fn the_program_is_killed() {
    let week = Week::start("program");
    kill(week.id());
    let (status, _) = week.end();
    assert_eq!(status, None);
}
