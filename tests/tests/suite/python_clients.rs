//! The Python client against the program `peer`, which is not told the codec: one process speaks all.

use aiomas_tests::client::Server;
use aiomas_tests::peer::Kind;
use aiomas_tests::process::Process;
use aiomas_tests::python::Setup;
use aiomas_tests::types::Serializers;

use crate::{CODECS, ipc_address, peer};

/// The Python client, and for comparison the Rust one.
fn talk(kind: Kind, address: &str, serializers: Serializers, clock: &'static str) {
    let args = [kind.name(), "--addr", address, "--serializers", serializers.name()];
    let (process, ready) = Process::serve(peer(&[&args[..], &["--clock", clock]].concat()));
    for codec in CODECS {
        let setup = Setup::new(kind.name(), codec.name());
        let setup = Setup { serializers: serializers.name(), clock, ..setup };
        assert!(setup.challenge(&ready.addr) >= 10);
        if clock == "real" {
            let address = ready.addr.parse().expect("an address");
            assert!(
                Server { address, codec, serializers }
                    .challenge(kind, aiomas_tests::runtimes::RuntimeKind::Poll)
                    >= 10
            );
        }
    }
    process.stop();
}

const TCP: &str = "tcp://127.0.0.1:0";

#[test]
fn channel_tcp() {
    talk(Kind::Channel, TCP, Serializers::None, "real");
    talk(Kind::Channel, TCP, Serializers::CelsiusPoint, "real");
}

#[test]
fn channel_ipc() {
    talk(Kind::Channel, &ipc_address(), Serializers::PointCelsius, "real");
}

#[test]
fn rpc_tcp() {
    talk(Kind::Rpc, TCP, Serializers::None, "real");
    talk(Kind::Rpc, TCP, Serializers::CelsiusPoint, "real");
}

#[test]
fn rpc_ipc() {
    talk(Kind::Rpc, &ipc_address(), Serializers::PointCelsius, "real");
}

#[test]
fn agent_tcp() {
    talk(Kind::Agent, TCP, Serializers::None, "real");
    talk(Kind::Agent, TCP, Serializers::CelsiusPoint, "real");
}

#[test]
fn agent_ipc() {
    talk(Kind::Agent, &ipc_address(), Serializers::PointCelsius, "real");
}

#[test]
fn agent_external_clock() {
    talk(Kind::Agent, TCP, Serializers::None, "external:2020-01-01T00:00:00+00:00");
}
