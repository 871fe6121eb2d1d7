//! Either side is killed.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use aiomas_mosaik::{End, Error, Server};
use aiomas_tests::mosaik::{Flaw, Flawed};
use aiomas_tests::python;
use aiomas_tokio::channel;
use serde_json::Value;

use super::{Listening, block_on};

/// An endless simulation, killed when dropped.
struct Endless {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Endless {
    /// Starts the simulation. With `runs`, waits until it has made some steps.
    fn start(address: &str, params: &str, runs: bool) -> Self {
        let mut command: Command = python::mosaik_program("world.py");
        command.args(["single", "--until", "1000000000", "--connect", address, "--params", params]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("a program");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        if runs {
            let mut line = String::new();
            stdout.read_line(&mut line).expect("a line");
            assert_eq!(line, "{\"running\": true}\n");
        }
        Self { child, stdout }
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        // An error means that it has ended.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// As with mosaik's own API, this is no failure of the simulator.
#[test]
fn mosaik_is_killed() {
    for params in ["{}", r#"{"ask": true}"#] {
        let counter = Listening::start();
        drop(Endless::start(&counter.address, params, true));
        let (status, lines) = counter.wait();
        assert_eq!(status.code(), Some(0), "{lines:?}");
        assert!(lines.last().unwrap().ends_with("mosaik is gone"), "{lines:?}");
    }
}

/// A simulator that never ends a step, in a thread of its own.
struct Hanging {
    address: String,
    finalized: Arc<AtomicBool>,
    hangs: Arc<AtomicBool>,
    die: tokio::sync::oneshot::Sender<()>,
    thread: JoinHandle<Option<Result<End, Error>>>,
}

impl Hanging {
    fn start() -> Self {
        let simulator = Flawed::new(Flaw::Hangs);
        let (finalized, hangs) = (simulator.finalized(), simulator.hangs());
        let (sender, address) = std::sync::mpsc::channel();
        let (die, dies) = tokio::sync::oneshot::channel();
        let thread = thread::spawn(move || {
            block_on(async {
                let server = Server::bind(channel::builder(), "tcp://127.0.0.1:0").await;
                let server = server.expect("a port");
                sender.send(server.address().to_string()).expect("a receiver");
                tokio::select! {
                    end = server.run(simulator) => Some(end),
                    Ok(()) = dies => None,
                }
            })
        });
        let address = address.recv().expect("a listener").trim_start_matches("tcp://").to_owned();
        Self { address, finalized, hangs, die, thread }
    }

    fn wait_until_it_hangs(&self) {
        while !self.hangs.load(Ordering::SeqCst) {
            thread::yield_now();
        }
    }
}

/// The step is cancelled.
#[test]
fn mosaik_is_killed_during_a_step() {
    let simulator = Hanging::start();
    let mosaik = Endless::start(&simulator.address, "{}", false);
    simulator.wait_until_it_hangs();
    drop(mosaik);
    let end = simulator.thread.join().expect("no panic");
    assert_eq!(end.expect("no panic").expect("no failure"), End::Gone);
    assert!(simulator.finalized.load(Ordering::SeqCst));
}

/// mosaik 3.6 notices the end while it waits for an answer. Otherwise, or after a reset, it waits
/// forever.
#[test]
fn a_simulator_dies_during_a_step() {
    let simulator = Hanging::start();
    let mut mosaik = Endless::start(&simulator.address, "{}", false);
    simulator.wait_until_it_hangs();
    simulator.die.send(()).expect("a living agent");
    assert!(simulator.thread.join().expect("no panic").is_none());
    let mut line = String::new();
    mosaik.stdout.read_line(&mut line).expect("a line");
    let outcome: Value = serde_json::from_str(&line).expect("an outcome");
    assert_eq!(outcome["error"][0], "ConnectionClosedError");
    assert!(mosaik.child.wait().expect("a clean end").success());
}
