//! Python peers, which speak only TLS 1.2, in both roles.

use std::time::Duration;

use aiomas::{Peer, Proxy, Runtime, container};
use aiomas_async_std::AsyncStd;
use aiomas_core::wire::{Codec, RemoteError};
use aiomas_smol::Smol;
use aiomas_subproc::Launcher;
use aiomas_tests::certificates::{Authority, KeyKind, Pem};
use aiomas_tests::client::Server;
use aiomas_tests::peer::Kind;
use aiomas_tests::process::Process;
use aiomas_tests::python::{Setup, program};
use aiomas_tests::runtimes::{RuntimeKind, on_tokio};
use aiomas_tests::types::Serializers;
use aiomas_tokio::Tokio;

use crate::{CODECS, peer};

const TCP: &str = "tcp://127.0.0.1:0";

/// Returns the runtimes to test. The kind of key does not depend on the runtime, so one suffices
/// for most.
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

const EXTERNAL: &str = "external:2020-01-01T00:00:00+00:00";
/// The time limit for the end of a program.
const SOON: Duration = Duration::from_secs(300);
/// The time limit of any step on a busy machine.
const LONG: Duration = Duration::from_secs(300);
const DRIVEN: [RuntimeKind; 3] = [RuntimeKind::Tokio, RuntimeKind::Smol, RuntimeKind::AsyncStd];

/// Managers and external clocks behind TLS. The Rust client, on each runtime, spawns agents through
/// a Python manager, sets its clock and stops it, and calls agents whose clock it sets.
#[test]
fn python_managers_and_clocks() {
    let authority = Authority::new(KeyKind::Ec);
    let (python, rust) = (authority.sign("python").files(), authority.sign("rust").config());
    for (codec, runtime) in CODECS.into_iter().zip(DRIVEN) {
        for (kind, count) in [(Kind::Manager, 4), (Kind::Agent, 2)] {
            let setup = Setup { clock: EXTERNAL, ..setup(kind, codec.name(), &python) };
            let (process, ready) = setup.serve(TCP);
            let server = Server {
                address: ready.addr.parse().expect("an address"),
                codec,
                serializers: Serializers::None,
                tls: Some(rust.clone()),
                external_clock: true,
            };
            assert_eq!(server.challenge(kind, runtime), count);
            match kind {
                // The manager has been asked to stop.
                Kind::Manager => drop(process.finish(SOON)),
                _ => process.stop(),
            }
        }
    }
}

/// The reverse: the Python client against managers and clocks in Rust, on each runtime.
#[test]
fn rust_managers_and_clocks() {
    let authority = Authority::new(KeyKind::Ec);
    let (python, rust) = (authority.sign("python").files(), authority.sign("rust").files());
    for (codec, runtime) in CODECS.into_iter().zip(DRIVEN) {
        for kind in [Kind::Manager, Kind::Agent] {
            let mut command = peer(&[kind.name(), "--addr", TCP, "--runtime", runtime.name()]);
            command.args(["--clock", EXTERNAL]).args(rust.arguments());
            let (process, ready) = Process::serve(command);
            let setup = Setup { clock: EXTERNAL, ..setup(kind, codec.name(), &python) };
            let count = setup.challenge(&ready.addr);
            match kind {
                Kind::Manager => {
                    assert_eq!(count, 1);
                    process.finish(SOON);
                }
                _ => {
                    assert!(count >= 10);
                    process.stop();
                }
            }
        }
    }
}

/// A Rust launcher, on each runtime, controls Python and Rust containers behind TLS. It spawns
/// agents through their managers, calls them, and sets the clocks.
async fn drives_a_mixed_fleet<R: Runtime>(runtime: R, codec: Codec) {
    let authority = Authority::new(KeyKind::Ec);
    let (python, rust) = (authority.sign("python").files(), authority.sign("rust").files());
    let container = container::builder(runtime).codec(codec).tls(authority.sign("head").config());
    let container = container.bind(TCP).await.expect("a listener");
    let launcher = Launcher::new(4).ready_within(LONG).stop_within(LONG).command(move |child| {
        let runtime = DRIVEN[child % 3].name();
        if child % 2 == 0 {
            let setup = Setup { clock: EXTERNAL, ..setup(Kind::Manager, codec.name(), &python) };
            return setup.server(TCP);
        }
        let mut command = peer(&["manager", "--addr", TCP, "--runtime", runtime]);
        command.args(["--clock", EXTERNAL]).args(rust.arguments());
        command
    });
    let fleet = launcher.launch(&container).await.expect("ready children");
    for (number, manager) in fleet.managers().enumerate() {
        let making = manager.spawn("interop_agents:Spawned").arg(number.to_string());
        let (agent, url): (Proxy, String) =
            making.kwarg("suffix", "!").send().await.expect("an agent");
        assert_eq!(container.connect::<Proxy>(&*url).await, Ok(agent.clone()));
        assert_eq!(agent.call("get_label").send().await, Ok(format!("{number}!")));
    }
    let peers = container.peers();
    let who = |peer: &Peer| peer.certificate().expect("shown").subject.to_string();
    let names: Vec<_> = peers.iter().map(who).collect();
    assert_eq!(names, ["CN=python", "CN=rust", "CN=python", "CN=rust"]);
    assert!(peers.iter().all(|peer| peer.state().codec == codec && peer.state().calls_out == 0));
    fleet.set_time(60.0).await.expect("a later time");
    let error = fleet.set_time(60.0).await.expect_err("not a later time");
    assert_eq!(error.remote().map(RemoteError::kind), Some("ValueError"));
    fleet.stop().await.expect("a clean end");
    container.shutdown().await.expect("a clean end");
}

#[test]
fn rust_drives_a_mixed_fleet_on_tokio() {
    on_tokio(drives_a_mixed_fleet(Tokio::default(), Codec::Json));
}

#[test]
fn rust_drives_a_mixed_fleet_on_smol() {
    smol::block_on(drives_a_mixed_fleet(Smol::default(), Codec::MsgPack));
}

#[test]
fn rust_drives_a_mixed_fleet_on_async_std() {
    async_std::task::block_on(drives_a_mixed_fleet(AsyncStd::default(), Codec::MsgPackBlosc));
}

/// A Python program controls managers in Rust, on each runtime, and in Python, behind TLS.
#[test]
fn python_drives_a_mixed_fleet() {
    let authority = Authority::new(KeyKind::Ec);
    let (python, rust) = (authority.sign("python").files(), authority.sign("rust").files());
    for codec in CODECS {
        let mut master = program("master.py");
        master.args(["--codec", codec.name()]).args(python.arguments()).arg("--");
        let other = Setup { clock: EXTERNAL, ..setup(Kind::Manager, codec.name(), &python) };
        let mut commands = vec![other.server(TCP)];
        for runtime in DRIVEN {
            let mut command = peer(&["manager", "--addr", TCP, "--runtime", runtime.name()]);
            command.args(["--clock", EXTERNAL]).args(rust.arguments());
            commands.push(command);
        }
        for command in commands {
            let words = std::iter::once(command.get_program()).chain(command.get_args());
            let words: Vec<_> = words.map(|word| word.to_str().expect("a text")).collect();
            master.arg(words.join(" "));
        }
        assert_eq!(Process::spawn(master).finish(SOON), ["4 managers"]);
    }
}

/// Defines the tests, for each kind of peer and of key.
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
