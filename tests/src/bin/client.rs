//! A client in Rust that puts a server to the same tests as `tests/python/client.py`.

use aiomas_core::agent::Address;
use aiomas_core::wire::Codec;
use aiomas_tests::client::Server;
use aiomas_tests::codecs::named;
use aiomas_tests::peer::Kind;
use aiomas_tests::runtimes::RuntimeKind;
use aiomas_tests::tls_files::TlsFiles;
use aiomas_tests::types::Serializers;
use clap::Parser;

/// Puts a server to the test; panics at the first thing that is wrong.
#[derive(Parser)]
struct Options {
    /// What the server offers.
    kind: Kind,
    /// Where it listens: `tcp://HOST:PORT` or `ipc://[PATH]`.
    #[arg(long)]
    addr: Address,
    /// What to speak: json, msgpack, msgpackblosc or backwards.
    #[arg(long, default_value = "json", value_parser = named)]
    codec: Codec,
    /// The user types, in the order of their ids.
    #[arg(long, default_value = "none")]
    serializers: Serializers,
    /// What to run on.
    #[arg(long, default_value = "poll")]
    runtime: RuntimeKind,
    /// With what to speak TLS.
    #[command(flatten)]
    tls: TlsFiles,
    /// The clock of the server's agents is an external one.
    #[arg(long)]
    external_clock: bool,
}

fn main() {
    let Options { kind, addr, codec, serializers, runtime, tls, external_clock } = Options::parse();
    let tls = tls.config().unwrap_or_else(|error| panic!("{error}"));
    let server = Server { address: addr, codec, serializers, tls, external_clock };
    let count = server.challenge(kind, runtime);
    println!("{count} passed");
}
