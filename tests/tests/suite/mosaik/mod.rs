//! Simulators in mosaik, and scenarios that drive simulators.

mod failures;
mod killed;
mod meta;
mod probes;
mod proxy;
mod simulated;
mod transcripts;
mod worlds;

use std::io::{BufRead, BufReader, Lines};
use std::net::TcpListener;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::thread;

use aiomas_mosaik::{End, Error, Server, Simulator};
use aiomas_tests::mosaik::world_of;
use aiomas_tests::python::Mosaik;
use aiomas_tokio::channel;
use serde_json::Value;

/// The command with which mosaik starts a counter.
const COUNTER: &str = concat!(env!("CARGO_BIN_EXE_counter"), " %(addr)s");

/// Runs a future on tokio.
fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(future)
}

/// Runs a mosaik simulation with this simulator, to which mosaik connects. Returns the results of
/// both ends.
fn run(simulator: impl Simulator + 'static, args: &[&str]) -> (Result<End, Error>, Value) {
    run_with(Mosaik::V3_6, simulator, args)
}

/// Like [`run`], with a given version of mosaik.
fn run_with(
    mosaik: Mosaik,
    simulator: impl Simulator + 'static,
    args: &[&str],
) -> (Result<End, Error>, Value) {
    let (ready, address) = std::sync::mpsc::channel();
    let ours = thread::spawn(move || {
        block_on(async {
            let server = Server::bind(channel::builder(), "tcp://127.0.0.1:0").await?;
            ready.send(server.address().to_string()).expect("a receiver");
            server.run(simulator).await
        })
    });
    let address = address.recv().expect("a listener");
    let address = address.trim_start_matches("tcp://");
    let outcome = world_of(mosaik, &[args, &["--connect", address]].concat());
    (ours.join().expect("no panic"), outcome)
}

/// Returns a free `HOST:PORT`.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").to_string()
}

/// A counter that waits for mosaik to connect.
struct Listening {
    child: Child,
    log: Lines<BufReader<ChildStderr>>,
    address: String,
}

impl Listening {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_counter"))
            .args(["--remote", "127.0.0.1:0", "--log-level", "info"])
            .stderr(Stdio::piped())
            .spawn()
            .expect("a program");
        let mut log = BufReader::new(child.stderr.take().expect("a pipe")).lines();
        let line = log.next().expect("a line").expect("text");
        let (_, address) = line.split_once("waiting for mosaik at tcp://").expect("an address");
        let address = address.to_owned();
        Self { child, log, address }
    }

    /// Waits for its end. Returns the status, and the lines it has written since.
    fn wait(mut self) -> (ExitStatus, Vec<String>) {
        let lines = self.log.by_ref().map(|line| line.expect("text")).collect();
        (self.child.wait().expect("a child process"), lines)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        // An error means that it has ended.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}
