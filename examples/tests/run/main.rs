//! Runs each example and checks its output. `cargo test -p aiomas-examples` builds them first.

use std::process::Command;
use std::time::Duration;

use aiomas_tests::process::Process;

mod chat;
mod consensus;
mod contract_net;
mod dashboard;

mod all_cores;
mod external_clock;
mod reconnect;
mod tls_pair;

/// The time limit of an example.
const LIMIT: Duration = Duration::from_secs(300);

/// Returns the program of an example. Cargo puts it into a folder beside that of the tests.
fn example(name: &str) -> Command {
    let test = std::env::current_exe().expect("a program has a path");
    let folder = test.ancestors().nth(2).expect("deps/ is in the target folder");
    let program =
        folder.join("examples").join(name).with_extension(std::env::consts::EXE_EXTENSION);
    assert!(program.exists(), "{program:?} is missing: cargo build -p aiomas-examples --examples");
    Command::new(program)
}

/// Runs an example, and returns the lines of its output if it succeeds.
fn run(name: &str) -> Vec<String> {
    Process::spawn(example(name)).finish(LIMIT)
}

/// Interrupts a process like Ctrl-C.
#[cfg(unix)]
fn interrupt(process: &Process) {
    use rustix::process::{Pid, Signal, kill_process};

    let id = process.id().try_into().expect("the number of a process");
    kill_process(Pid::from_raw(id).expect("not 0"), Signal::INT).expect("present");
}
