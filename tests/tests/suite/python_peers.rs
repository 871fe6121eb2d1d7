//! The Python client against the Python server: failures here are not caused by Rust.

use aiomas_tests::python::Setup;

fn talk(setup: Setup<'_>) {
    let (server, ready) = setup.serve("tcp://127.0.0.1:0");
    assert!(setup.challenge(&ready.addr) >= 10);
    server.stop();
}

#[test]
fn channel_json() {
    talk(Setup { serializers: "point,celsius", ..Setup::new("channel", "json") });
}

#[test]
fn channel_msgpack() {
    talk(Setup { serializers: "point,celsius", ..Setup::new("channel", "msgpack") });
}

#[test]
fn channel_msgpackblosc() {
    talk(Setup::new("channel", "msgpackblosc"));
}

#[test]
fn rpc_json() {
    talk(Setup { serializers: "point,celsius", ..Setup::new("rpc", "json") });
}

#[test]
fn rpc_msgpack() {
    talk(Setup { serializers: "point,celsius", ..Setup::new("rpc", "msgpack") });
}

#[test]
fn rpc_msgpackblosc() {
    talk(Setup::new("rpc", "msgpackblosc"));
}

#[test]
fn agent_json() {
    talk(Setup::new("agent", "json"));
}

#[test]
fn agent_msgpack() {
    talk(Setup { clock: "external:2020-01-01T00:00:00+00:00", ..Setup::new("agent", "msgpack") });
}

#[test]
fn agent_msgpackblosc() {
    talk(Setup { serializers: "celsius,point", ..Setup::new("agent", "msgpackblosc") });
}
