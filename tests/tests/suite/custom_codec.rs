//! A custom codec, implemented in Python by a subclass of `aiomas.codecs.MsgPack`.

use aiomas_tests::client::Server;
use aiomas_tests::codecs::BACKWARDS;
use aiomas_tests::peer::Kind;
use aiomas_tests::process::Process;
use aiomas_tests::python::Setup;
use aiomas_tests::runtimes::RuntimeKind;
use aiomas_tests::types::Serializers;

use crate::peer;

const TCP: &str = "tcp://127.0.0.1:0";
const KINDS: [Kind; 3] = [Kind::Channel, Kind::Rpc, Kind::Agent];
const TYPES: Serializers = Serializers::PointCelsius;

fn setup(kind: Kind) -> Setup<'static> {
    Setup { serializers: TYPES.name(), ..Setup::new(kind.name(), BACKWARDS.name()) }
}

/// The Rust client, on each runtime, against Python servers.
#[test]
fn python_servers() {
    for kind in KINDS {
        let (process, ready) = setup(kind).serve(TCP);
        let address = ready.addr.parse().expect("an address");
        let server = Server {
            address,
            codec: BACKWARDS,
            serializers: TYPES,
            tls: None,
            external_clock: false,
        };
        for runtime in RuntimeKind::ALL {
            assert!(server.challenge(kind, runtime) >= 10);
        }
        process.stop();
    }
}

/// The Python client against Rust servers on each runtime.
#[test]
fn python_clients() {
    for kind in KINDS {
        for runtime in RuntimeKind::ALL {
            let mut command = peer(&[kind.name(), "--addr", TCP, "--runtime", runtime.name()]);
            command.args(["--codec", BACKWARDS.name(), "--serializers", TYPES.name()]);
            let (process, ready) = Process::serve(command);
            assert!(setup(kind).challenge(&ready.addr) >= 10);
            process.stop();
        }
    }
}
