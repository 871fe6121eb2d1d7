//! Managers in Rust with Python clients, and the reverse.

use std::time::Duration;

use aiomas_core::wire::Codec;
use aiomas_tests::client::Server;
use aiomas_tests::peer::Kind;
use aiomas_tests::process::{Process, Ready};
use aiomas_tests::python::{Setup, program};
use aiomas_tests::runtimes::RuntimeKind;
use aiomas_tests::types::Serializers;

use crate::{CODECS, peer};

const EXTERNAL: &str = "external:2020-01-01T00:00:00+00:00";
/// The time limit for the end of a program.
const SOON: Duration = Duration::from_secs(300);

fn serve(runtime: RuntimeKind, clock: &str) -> (Process, Ready) {
    Process::serve(peer(&["manager", "--runtime", runtime.name(), "--clock", clock]))
}

fn server(ready: &Ready, codec: Codec, clock: &str) -> Server {
    let address = ready.addr.parse().expect("an address");
    let (serializers, external_clock) = (Serializers::None, clock != "real");
    Server { address, codec, serializers, tls: None, external_clock }
}

/// The last request of the client ends the program.
fn python_client(runtime: RuntimeKind) {
    for (codec, clock) in CODECS.into_iter().zip([EXTERNAL, "real", EXTERNAL]) {
        let (process, ready) = serve(runtime, clock);
        let setup = Setup { clock, ..Setup::new("manager", codec.name()) };
        assert_eq!(setup.challenge(&ready.addr), 1);
        process.finish(SOON);
    }
}

#[test]
fn python_client_on_poll() {
    python_client(RuntimeKind::Poll);
}

#[test]
fn python_client_on_tokio() {
    python_client(RuntimeKind::Tokio);
}

#[test]
fn python_client_on_async_std() {
    python_client(RuntimeKind::AsyncStd);
}

#[test]
fn python_client_on_smol() {
    python_client(RuntimeKind::Smol);
}

#[test]
fn rust_clients_of_rust() {
    let codecs = CODECS.into_iter().cycle();
    for (runtime, codec) in RuntimeKind::ALL.into_iter().zip(codecs) {
        for client in RuntimeKind::ALL {
            let (process, ready) = serve(runtime, EXTERNAL);
            assert_eq!(server(&ready, codec, EXTERNAL).challenge(Kind::Manager, client), 4);
            process.finish(SOON);
        }
    }
}

fn rust_clients_of_python(codec: Codec, clock: &'static str) {
    for client in RuntimeKind::ALL {
        let setup = Setup { clock, ..Setup::new("manager", codec.name()) };
        let (process, ready) = setup.serve("tcp://127.0.0.1:0");
        assert_eq!(server(&ready, codec, clock).challenge(Kind::Manager, client), 4);
        process.finish(SOON);
    }
}

#[test]
fn rust_clients_of_python_json() {
    rust_clients_of_python(Codec::Json, "real");
}

#[test]
fn rust_clients_of_python_msgpack() {
    rust_clients_of_python(Codec::MsgPack, EXTERNAL);
}

#[test]
fn rust_clients_of_python_msgpackblosc() {
    rust_clients_of_python(Codec::MsgPackBlosc, EXTERNAL);
}

/// Clocks of Python containers, set by Rust clients, and of Rust containers.
#[test]
fn external_clocks() {
    let codecs = CODECS.into_iter().cycle();
    for (runtime, codec) in RuntimeKind::ALL.into_iter().zip(codecs) {
        let setup = Setup { clock: EXTERNAL, ..Setup::new("agent", codec.name()) };
        let python = setup.serve("tcp://127.0.0.1:0");
        let rust =
            Process::serve(peer(&["agent", "--runtime", runtime.name(), "--clock", EXTERNAL]));
        for (process, ready) in [python, rust] {
            for client in RuntimeKind::ALL {
                assert_eq!(server(&ready, codec, EXTERNAL).challenge(Kind::Agent, client), 2);
            }
            process.stop();
        }
    }
}

/// A Python program starts Rust containers, one per runtime, and controls them through managers.
#[test]
fn python_drives_rust() {
    for codec in CODECS {
        let mut master = program("master.py");
        master.args(["--codec", codec.name(), "--"]);
        for runtime in RuntimeKind::ALL {
            let peer = peer(&["manager", "--runtime", runtime.name(), "--clock", EXTERNAL]);
            let words = std::iter::once(peer.get_program()).chain(peer.get_args());
            let words: Vec<_> = words.map(|word| word.to_str().expect("a text")).collect();
            master.arg(words.join(" "));
        }
        assert_eq!(Process::spawn(master).finish(SOON), ["4 managers"]);
    }
}
