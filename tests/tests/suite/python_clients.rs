//! The Python client against the program `peer` on each runtime. One process serves all codecs,
//! without an option.

use aiomas_tests::client::Server;
use aiomas_tests::peer::Kind;
use aiomas_tests::process::Process;
use aiomas_tests::python::Setup;
use aiomas_tests::runtimes::RuntimeKind;
use aiomas_tests::types::Serializers;

use crate::{CODECS, ipc_address, peer};

/// Runs the Python client, and the Rust ones for comparison.
fn talk(
    runtime: RuntimeKind,
    kind: Kind,
    address: &str,
    serializers: Serializers,
    clock: &'static str,
) {
    let args = [kind.name(), "--addr", address, "--serializers", serializers.name()];
    let more = ["--clock", clock, "--runtime", runtime.name()];
    let (process, ready) = Process::serve(peer(&[&args[..], &more].concat()));
    for codec in CODECS {
        let setup = Setup::new(kind.name(), codec.name());
        let setup = Setup { serializers: serializers.name(), clock, ..setup };
        assert!(setup.challenge(&ready.addr) >= 10);
        if clock == "real" {
            let address = ready.addr.parse().expect("an address");
            let server = Server { address, codec, serializers, tls: None, external_clock: false };
            for runtime in RuntimeKind::ALL {
                assert!(server.challenge(kind, runtime) >= 10);
            }
        }
    }
    process.stop();
}

const TCP: &str = "tcp://127.0.0.1:0";

/// Defines the tests, for each of these runtimes.
macro_rules! on_each {
    ($($name:ident: $runtime:ident)*) => {$(
        mod $name {
            use super::*;

            const RUNTIME: RuntimeKind = RuntimeKind::$runtime;

            #[test]
            fn channel_tcp() {
                talk(RUNTIME, Kind::Channel, TCP, Serializers::None, "real");
                talk(RUNTIME, Kind::Channel, TCP, Serializers::CelsiusPoint, "real");
            }

            #[test]
            fn channel_ipc() {
                talk(RUNTIME, Kind::Channel, &ipc_address(), Serializers::PointCelsius, "real");
            }

            #[test]
            fn rpc_tcp() {
                talk(RUNTIME, Kind::Rpc, TCP, Serializers::None, "real");
                talk(RUNTIME, Kind::Rpc, TCP, Serializers::CelsiusPoint, "real");
            }

            #[test]
            fn rpc_ipc() {
                talk(RUNTIME, Kind::Rpc, &ipc_address(), Serializers::PointCelsius, "real");
            }

            #[test]
            fn agent_tcp() {
                talk(RUNTIME, Kind::Agent, TCP, Serializers::None, "real");
                talk(RUNTIME, Kind::Agent, TCP, Serializers::CelsiusPoint, "real");
            }

            #[test]
            fn agent_ipc() {
                talk(RUNTIME, Kind::Agent, &ipc_address(), Serializers::PointCelsius, "real");
            }

            #[test]
            fn agent_external_clock() {
                let clock = "external:2020-01-01T00:00:00+00:00";
                talk(RUNTIME, Kind::Agent, TCP, Serializers::None, clock);
            }
        }
    )*};
}

on_each! { poll: Poll tokio: Tokio }
