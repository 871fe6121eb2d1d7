//! Foreign peers that connect to a simulator which waits for mosaik.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aiomas::{Runtime, channel};
use aiomas_core::agent::Address;
use aiomas_mosaik::{End, Error, Server};
use aiomas_tests::mosaik::counter::Counters;
use aiomas_tests::mosaik::{RawPeer, world};
use aiomas_tests::scripted_runtime::ScriptedRuntime;
use serde_json::{Value, json};

use super::Listening;

/// The time limit for mosaik to connect.
const PATIENCE: Duration = Duration::from_secs(60);

/// A simulator that waits for mosaik.
struct Waiting {
    runtime: ScriptedRuntime,
    address: Address,
    outcome: Arc<Mutex<Option<Result<End, Error>>>>,
}

impl Waiting {
    fn start() -> Self {
        let (runtime, outcome) = (ScriptedRuntime::default(), Arc::<Mutex<_>>::default());
        let server =
            runtime.block_on(Server::bind(channel::builder(runtime.clone()), "tcp://here:0"));
        let server = server.expect("a free port").accept_within(PATIENCE);
        let (address, result) = (server.address().clone(), outcome.clone());
        runtime.spawn(async move {
            let end = server.run(Counters::default()).await;
            *result.lock().expect("no panic") = Some(end);
        });
        Self { runtime, address, outcome }
    }

    fn dial(&self) -> RawPeer {
        RawPeer::dial(&self.runtime, &self.address)
    }

    /// Returns a peer that has sent these bytes.
    fn probe(&self, bytes: &[u8]) -> RawPeer {
        let peer = self.dial();
        peer.send(bytes);
        peer.receive();
        peer
    }

    fn outcome(&self) -> Option<Result<End, Error>> {
        self.outcome.lock().expect("no panic").take()
    }

    /// Runs a mosaik simulation of one step, and returns its result.
    fn simulate(&self) -> Result<End, Error> {
        simulate(&self.dial());
        self.outcome().expect("stopped")
    }
}

fn simulate(mosaik: &RawPeer) {
    let requests = [
        json!(["init", ["S"], {"time_resolution": 1.0}]),
        json!(["create", [1, "Counter"], {}]),
        json!(["setup_done", [], {}]),
        json!(["step", [0, {}, 5], {}]),
    ];
    (0..).zip(&requests).for_each(|(id, request)| mosaik.request(id, request));
    let answers = mosaik.receive();
    assert_eq!(answers.len(), requests.len());
    assert_eq!(answers[3], "[1, 3, 1]");
    mosaik.request(4, &json!(["stop", [], {}]));
    mosaik.receive();
    assert!(mosaik.is_closed());
}

/// First bytes of other programs, and of broken ones.
const FIRST_BYTES: [&[u8]; 9] = [
    b"",
    b"GET / HTTP/1.1\r\nHost: simulator\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"\0",
    b"\0\0\0\x09[",
    b"\0\0\0\x04nope",
    b"\0\0\0\x03\x93\x00\x01",
    // An answer without a request.
    b"\0\0\0\x0a[1, 5, \"x\"]",
];

#[test]
fn a_probe_is_not_mosaik() {
    for bytes in FIRST_BYTES {
        let simulator = Waiting::start();
        // Some probes disconnect, others wait to be closed.
        simulator.probe(bytes).hang_up();
        let open = simulator.probe(bytes);
        assert!(simulator.outcome().is_none(), "{bytes:?}");
        assert_eq!(simulator.simulate().expect("no failure"), End::Stopped, "{bytes:?}");
        open.receive();
        assert!(open.is_closed(), "{bytes:?}");
    }
}

#[test]
fn many_probes_are_not_mosaik() {
    let simulator = Waiting::start();
    for _ in 0..100 {
        FIRST_BYTES.iter().for_each(|bytes| simulator.probe(bytes).hang_up());
    }
    let open: Vec<_> =
        (0..100).flat_map(|_| FIRST_BYTES.map(|bytes| simulator.probe(bytes))).collect();
    assert_eq!(simulator.simulate().expect("no failure"), End::Stopped);
    for peer in open {
        peer.receive();
        assert!(peer.is_closed());
    }
}

/// The peer that calls `init` is mosaik, even if other peers connect later.
#[test]
fn the_first_to_connect_need_not_be_mosaik() {
    let simulator = Waiting::start();
    let (silent, mosaik, late) = (simulator.dial(), simulator.dial(), simulator.dial());
    silent.receive();
    simulate(&mosaik);
    for other in [silent, late] {
        assert_eq!(other.receive(), [""; 0]);
        assert!(other.is_closed());
    }
    assert_eq!(simulator.outcome().expect("an end").expect("no failure"), End::Stopped);
}

/// A program with another first request receives a failure, and may still call `init`.
#[test]
fn other_requests_are_not_mosaik() {
    let simulator = Waiting::start();
    let (hello, stop) = (simulator.dial(), simulator.dial());
    hello.request(0, &json!(["$hello", [{"version": 1, "codecs": ["msgpack"]}], {}]));
    hello.request(1, &json!(5));
    let failures = hello.receive();
    let failures: Vec<Value> =
        failures.iter().map(|failure| serde_json::from_slice(failure).expect("JSON")).collect();
    assert_eq!(failures[0][2][1], "$hello() was called before init()");
    assert_eq!(failures[1][2][0], "RuntimeError");
    // Only mosaik can stop the simulator, and not before `init`.
    stop.request(0, &json!(["stop", [], {}]));
    assert_eq!(stop.receive(), [""; 0]);
    assert!(simulator.outcome().is_none());
    simulate(&hello);
    assert_eq!(simulator.outcome().expect("an end").expect("no failure"), End::Stopped);
}

/// Other peers do not extend mosaik's time limit.
#[test]
fn only_others_connect() {
    for (count, others) in [
        (0, ""),
        (1, ", except from one other peer, which the log names"),
        (20, ", except from 20 other peers, which the log names"),
    ] {
        let simulator = Waiting::start();
        let silent: Vec<_> = (0..count).map(|_| simulator.probe(b"\0\0")).collect();
        simulator.runtime.pass(PATIENCE - Duration::from_millis(1));
        assert!(simulator.outcome().is_none());
        simulator.runtime.pass(Duration::from_millis(1));
        let error = simulator.outcome().expect("an end").expect_err("no connection");
        assert_eq!(
            error.to_string(),
            format!("no connection within 60s (`Server::accept_within`){others}")
        );
        silent.into_iter().for_each(RawPeer::hang_up);
        assert_eq!((simulator.runtime.tasks(), simulator.runtime.ends()), (0, 0));
    }
}

/// During a simulation other peers are rejected, without an effect on it.
#[test]
fn a_probe_during_a_simulation() {
    let simulator = Waiting::start();
    let mosaik = simulator.dial();
    mosaik.request(0, &json!(["init", ["S"], {}]));
    assert_eq!(mosaik.receive().len(), 1);
    let probe = simulator.runtime.block_on(simulator.runtime.dial(simulator.address.clone()));
    assert_eq!(probe.err().map(|error| error.kind()), Some(std::io::ErrorKind::ConnectionRefused));
    mosaik.request(1, &json!(["create", [1, "Counter"], {}]));
    assert_eq!(mosaik.receive().len(), 1);
    mosaik.hang_up();
    assert_eq!(simulator.outcome().expect("an end").expect("no failure"), End::Gone);
}

/// With a real socket, a real mosaik, and the log that users see.
#[test]
fn mosaik_connects_after_a_port_check() {
    let counter = Listening::start();
    let mut checks = Vec::new();
    for _ in 0..3 {
        let check = std::net::TcpStream::connect(&counter.address).expect("a listener");
        checks.push(check.local_addr().expect("an address"));
    }
    let silent = std::net::TcpStream::connect(&counter.address).expect("a listener");
    let outcome = world(&["single", "--until", "4", "--connect", &counter.address]);
    assert_eq!((&outcome["error"], &outcome["errors"]), (&json!(null), &json!([])));
    drop(silent);
    let (status, log) = counter.wait();
    assert_eq!(status.code(), Some(0));
    for check in checks {
        let line = format!("{check} is not mosaik: closed by the peer, without a call of init()");
        assert!(log.iter().any(|logged| logged.contains(&line)), "{log:?}");
    }
}
