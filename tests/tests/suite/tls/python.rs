//! Python peers, which speak TLS 1.2 only, in both roles.

use aiomas_tests::certificates::{Authority, KeyKind, Pem};
use aiomas_tests::client::Server;
use aiomas_tests::peer::Kind;
use aiomas_tests::process::Process;
use aiomas_tests::python::Setup;
use aiomas_tests::runtimes::RuntimeKind;
use aiomas_tests::types::Serializers;

use crate::{CODECS, peer};

const TCP: &str = "tcp://127.0.0.1:0";

/// The kind of key makes no difference to the runtimes, so that one of them will do.
const fn runtimes(key: KeyKind) -> &'static [RuntimeKind] {
    match key {
        KeyKind::Rsa => &[RuntimeKind::Tokio],
        _ => &[RuntimeKind::Tokio, RuntimeKind::Smol, RuntimeKind::AsyncStd],
    }
}

fn setup<'a>(kind: Kind, codec: &'static str, tls: &'a Pem) -> Setup<'a> {
    Setup { tls: Some(tls), ..Setup::new(kind.name(), codec) }
}

/// The Rust client, on each runtime, against a Python server.
fn ask(kind: Kind, key: KeyKind) {
    let authority = Authority::new(key);
    let (python, rust) = (authority.sign("python").files(), authority.sign("rust").config());
    for codec in CODECS {
        let (process, ready) = setup(kind, codec.name(), &python).serve(TCP);
        let address = ready.addr.parse().expect("an address");
        let serializers = Serializers::None;
        let server =
            Server { address, codec, serializers, tls: Some(rust.clone()), external_clock: false };
        for &runtime in runtimes(key) {
            assert!(server.challenge(kind, runtime) >= 10);
        }
        process.stop();
    }
}

/// The Python client against a Rust server on each runtime.
fn answer(kind: Kind, key: KeyKind) {
    let authority = Authority::new(key);
    let (python, rust) = (authority.sign("python").files(), authority.sign("rust").files());
    for &runtime in runtimes(key) {
        let mut command = peer(&[kind.name(), "--addr", TCP, "--runtime", runtime.name()]);
        command.args(rust.arguments());
        let (process, ready) = Process::serve(command);
        for codec in CODECS {
            assert!(setup(kind, codec.name(), &python).challenge(&ready.addr) >= 10);
        }
        process.stop();
    }
}

/// The tests, for each kind of peer and of key.
macro_rules! with_each {
    ($($name:ident: $kind:ident $key:ident)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn python_servers() {
                ask(Kind::$kind, KeyKind::$key);
            }

            #[test]
            fn python_clients() {
                answer(Kind::$kind, KeyKind::$key);
            }
        }
    )*};
}

with_each! {
    channel_rsa: Channel Rsa
    channel_ec: Channel Ec
    rpc_rsa: Rpc Rsa
    rpc_ec: Rpc Ec
    agent_rsa: Agent Rsa
    agent_ec: Agent Ec
}
