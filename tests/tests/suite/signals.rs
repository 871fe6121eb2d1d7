//! Signals to child processes, and to their process groups.

use std::fs;
use std::io::{BufRead, BufReader, pipe};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use aiomas::manager::ManagerProxy;
use aiomas_mosaik::{Inputs, Time, proxy};
use aiomas_subproc::Launcher;
use aiomas_tests::python::{self, Setup};
use aiomas_tests::runtimes::on_tokio;
use aiomas_tests::workers::WorkerProxy;
use aiomas_tokio::{channel, container};
use rustix::process::{Pid, Signal, getpgid, kill_process, kill_process_group};

use crate::subproc::{LONG, children, program, wait_for_end};

const TERMINAL: [Signal; 2] = [Signal::INT, Signal::HUP];

fn pid(id: u32) -> Pid {
    Pid::from_raw(id.try_into().expect("a pid")).expect("not 0")
}

/// The file in which agents record that they have been stopped.
struct Log(PathBuf);

impl Log {
    fn new(name: &str) -> Self {
        let name = format!("aiomas-signals-{name}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }

    async fn worker(&self, manager: &ManagerProxy, name: &str) -> WorkerProxy {
        let made = manager.spawn("Worker").arg(name).kwarg("log", self.0.to_str()).send().await;
        let (worker, _): (WorkerProxy, String) = made.expect("a worker");
        worker
    }

    fn lines(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.0).unwrap_or_default();
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let _missing = fs::remove_file(&self.0);
    }
}

/// Starts a parent with two children in a process group, as a shell does.
fn parent(args: &[&str], stderr: impl Into<Stdio>) -> (Child, Vec<String>) {
    let mut command = program();
    command.args(["--children", "2"]).args(args).process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
    let mut parent = command.spawn().expect("a program");
    let mut line = String::new();
    let stdout = parent.stdout.take().expect("a pipe");
    BufReader::new(stdout).read_line(&mut line).expect("a line");
    let ready: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    let managers = ready["ready"]["managers"].as_array().expect("a list").iter();
    (parent, managers.map(|url| url.as_str().expect("a URL").to_owned()).collect())
}

/// A parent that handles the signal stops its children itself. A second Ctrl-C changes nothing.
#[test]
fn a_signal_to_the_group_is_the_parents() {
    for signal in [Signal::INT, Signal::HUP, Signal::TERM] {
        let log = Log::new("group");
        let (mut parent, managers) = parent(&["--patient"], Stdio::inherit());
        on_tokio(async {
            let container = container::bind("tcp://127.0.0.1:0").await.unwrap();
            let mut workers = Vec::new();
            for (number, url) in managers.iter().enumerate() {
                let manager = container.connect(url.as_str()).await.unwrap();
                workers.push(log.worker(&manager, &number.to_string()).await);
            }
            for _ in 0..2 {
                kill_process_group(pid(parent.id()), signal).unwrap();
                for (number, worker) in workers.iter().enumerate() {
                    assert_eq!(worker.name().await, Ok(number.to_string()), "{signal:?}");
                }
            }
            container.shutdown().await.unwrap();
        });
        assert_eq!(log.lines(), [""; 0]);
        // The parent stops its fleet, and would print an error.
        drop(parent.stdin.take());
        assert!(parent.wait().unwrap().success(), "{signal:?}");
        assert_eq!(log.lines(), ["0", "1"], "{signal:?}");
    }
}

/// The children end in order, without a request.
#[test]
fn a_parent_that_dies_of_a_signal() {
    for signal in [Signal::INT, Signal::HUP, Signal::TERM, Signal::KILL] {
        let log = Log::new("dies");
        let (reader, writer) = pipe().unwrap();
        let (mut parent, managers) = parent(&[], writer);
        on_tokio(async {
            let container = container::bind("tcp://127.0.0.1:0").await.unwrap();
            for url in &managers {
                let manager = container.connect(url.as_str()).await.unwrap();
                log.worker(&manager, "worker").await;
            }
            container.shutdown().await.unwrap();
        });
        kill_process_group(pid(parent.id()), signal).unwrap();
        assert!(!parent.wait().unwrap().success());
        assert_eq!(wait_for_end(reader), "", "{signal:?}");
        assert_eq!(log.lines(), ["worker"; 2], "{signal:?}");
    }
}

/// A service manager that signals all processes does the same, or `pkill`.
#[test]
fn a_terminals_signal_to_a_child() {
    let log = Log::new("child");
    on_tokio(async {
        let container = container::bind("tcp://127.0.0.1:0").await.unwrap();
        let fleet = children(3).launch(&container).await.unwrap();
        for member in fleet.members() {
            let worker = log.worker(member.manager(), "worker").await;
            for signal in TERMINAL.repeat(2) {
                kill_process(pid(member.id()), signal).unwrap();
                assert_eq!(worker.name().await.as_deref(), Ok("worker"));
            }
        }
        fleet.stop().await.unwrap();
    });
    assert_eq!(log.lines(), ["worker"; 3]);
}

/// The child ends in order, and its parent does not report a failure.
#[test]
fn a_child_that_is_terminated() {
    let log = Log::new("terminated");
    on_tokio(async {
        let container = container::bind("tcp://127.0.0.1:0").await.unwrap();
        for told in [false, true] {
            let (reader, writer) = pipe().unwrap();
            let launcher = children(3).command(move |_| {
                let mut command = program();
                command.stderr(writer.try_clone().unwrap());
                command
            });
            let fleet = launcher.launch(&container).await.unwrap();
            drop(launcher);
            for member in fleet.members() {
                log.worker(member.manager(), "worker").await;
            }
            for member in fleet.members() {
                kill_process(pid(member.id()), Signal::TERM).unwrap();
            }
            // The parent stops them after they have ended, or meanwhile.
            if !told {
                assert_eq!(wait_for_end(reader), "");
                assert_eq!(log.lines(), ["worker"; 3]);
            }
            fleet.stop().await.unwrap();
        }
    });
    assert_eq!(log.lines(), ["worker"; 6]);
}

/// Children in other languages are outside of the terminal's process group, too.
#[test]
fn children_in_python_have_groups_of_their_own() {
    on_tokio(async {
        let container = container::bind("tcp://127.0.0.1:0").await.unwrap();
        let clock = "external:2020-01-01T00:00:00+00:00";
        let setup = Setup { clock, ..Setup::new("manager", "json") };
        let launcher = Launcher::new(1).ready_within(LONG).stop_within(LONG);
        let launcher = launcher.command(move |_| setup.server("tcp://127.0.0.1:0"));
        let fleet = launcher.launch(&container).await.unwrap();
        let child = pid(fleet.members()[0].id());
        assert_eq!(getpgid(Some(child)), Ok(child));
        fleet.stop().await.unwrap();
    });
}

/// Returns a command that writes its process id to a file.
fn telling(file: &PathBuf, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "echo $$ >\"$0\"; exec \"$@\""]).arg(file);
    shell.arg(command.get_program()).args(command.get_args());
    shell
}

/// Ctrl-C belongs to the scenario, not to the simulators it starts, in Rust and Python.
#[test]
fn simulators_leave_ctrl_c_to_the_scenario() {
    let file = Log::new("simulator");
    let counter = |address: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_counter"));
        command.arg(address);
        command
    };
    let pumps = |address: &str| {
        let mut command = python::mosaik_program("simulator.py");
        command.arg(address);
        command
    };
    on_tokio(async {
        for (command, model) in
            [(&counter as &dyn Fn(&str) -> Command, "Counter"), (&pumps, "Pump")]
        {
            let command = |address: &str| telling(&file.0, &command(address));
            let connected = proxy::start(channel::builder(), command).await.unwrap();
            let mut simulator = connected.init("S", 1.0, &(), ()).await.unwrap();
            let id = fs::read_to_string(&file.0).unwrap().trim().parse().unwrap();
            assert_eq!(getpgid(Some(pid(id))), Ok(pid(id)));
            if model == "Counter" {
                // If mosaik had started it, both would be in one group.
                kill_process(pid(id), Signal::INT).unwrap();
            }
            simulator.create(1, model, &()).await.unwrap();
            let next: Option<Time> = simulator.step(0, &Inputs::default(), 20).await.unwrap();
            assert!(next.is_some());
            let status = simulator.stop().await.unwrap();
            assert_eq!(status.and_then(|status| status.code()), Some(0), "{model}");
        }
    });
}
