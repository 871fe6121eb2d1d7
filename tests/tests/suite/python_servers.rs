//! The Rust client, on each runtime, against the Python servers.

use aiomas_core::wire::Codec;
use aiomas_tests::client::Server;
use aiomas_tests::peer::Kind;
use aiomas_tests::python::Setup;
use aiomas_tests::runtimes::RuntimeKind;
use aiomas_tests::types::Serializers;

use crate::ipc_address;

/// Over TCP and a Unix socket, with and without user types, in both orders of these.
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
