//! The Rust client, on each runtime, against the Python servers.

use std::time::Duration;

use aiomas::Error;
use aiomas::{Proxy, reconnect::ConnectionState};
use aiomas_core::agent::ConnectError;
use aiomas_core::wire::Codec;
use aiomas_tests::client::Server;
use aiomas_tests::peer::Kind;
use aiomas_tests::process::Process;
use aiomas_tests::python::{self, Setup};
use aiomas_tests::runtimes::{RuntimeKind, on_tokio};
use aiomas_tests::types::Serializers;

use crate::ipc_address;

/// A Python container restarts with its agents in another order. Its `validate_aid` returns their
/// classes.
#[test]
fn a_restart_in_another_order() {
    let serve = |address: &str, classes: &[&str]| {
        let mut command = python::program("restarting.py");
        command.arg(address).args(classes);
        Process::serve(command)
    };
    let (process, ready) = serve("tcp://127.0.0.1:0", &["Lamp", "Pump"]);
    on_tokio(async {
        let container = aiomas_tokio::container::bind("tcp://127.0.0.1:0").await.expect("bound");
        let lamp = container.connect::<Proxy>(format!("{}/0", ready.addr));
        let lamp = lamp.reconnect(Duration::from_secs(120)).await.expect("an existing agent");
        let line = lamp.reconnecting().expect("a reconnecting proxy");
        assert_eq!(lamp.call("switch").send().await, Ok("Lamp".to_owned()));
        // The test waits for the lost connection, not for a time.
        let restart = |process: Process, classes: &[&str]| {
            process.stop();
            serve(&ready.addr, classes).0
        };
        let process = restart(process, &["Pump", "Lamp"]);
        while line.state() == ConnectionState::Connected {
            line.changed(ConnectionState::Connected).await;
        }
        let refused = lamp.call("switch").send::<String>().await;
        let Err(Error::Connect(ConnectError::WrongType { expected, found, .. })) = &refused else {
            panic!("{refused:?}")
        };
        assert_eq!((&**expected, &**found), ("Lamp", "Pump"));
        let process = restart(process, &["Lamp"]);
        // The connection through which the pump was found is closed, and the client must notice
        // this first.
        for peer in container.peers() {
            peer.closed().await;
        }
        assert_eq!(lamp.call("switch").send().await, Ok("Lamp".to_owned()));
        process.stop();
    });
}

/// Over TCP and a Unix socket, with and without user types, in both orders.
fn talk(kind: Kind, codec: Codec) {
    for (address, serializers) in [
        ("tcp://127.0.0.1:0".to_owned(), Serializers::None),
        ("tcp://127.0.0.1:0".to_owned(), Serializers::CelsiusPoint),
        (ipc_address(), Serializers::PointCelsius),
    ] {
        let setup = Setup::new(kind.name(), codec.name());
        let setup = Setup { serializers: serializers.name(), ..setup };
        let (process, ready) = setup.serve(&address);
        let address = ready.addr.parse().expect("an address");
        let server = Server { address, codec, serializers, tls: None, external_clock: false };
        for runtime in RuntimeKind::ALL {
            assert!(server.challenge(kind, runtime) >= 10);
        }
        process.stop();
    }
}

#[test]
fn channel_json() {
    talk(Kind::Channel, Codec::Json);
}

#[test]
fn channel_msgpack() {
    talk(Kind::Channel, Codec::MsgPack);
}

#[test]
fn channel_msgpackblosc() {
    talk(Kind::Channel, Codec::MsgPackBlosc);
}

#[test]
fn rpc_json() {
    talk(Kind::Rpc, Codec::Json);
}

#[test]
fn rpc_msgpack() {
    talk(Kind::Rpc, Codec::MsgPack);
}

#[test]
fn rpc_msgpackblosc() {
    talk(Kind::Rpc, Codec::MsgPackBlosc);
}

#[test]
fn agent_json() {
    talk(Kind::Agent, Codec::Json);
}

#[test]
fn agent_msgpack() {
    talk(Kind::Agent, Codec::MsgPack);
}

#[test]
fn agent_msgpackblosc() {
    talk(Kind::Agent, Codec::MsgPackBlosc);
}
