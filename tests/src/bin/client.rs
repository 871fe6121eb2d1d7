//! A Rust client with the same tests of a server as `tests/python/client.py`.

use aiomas_core::agent::Address;
use aiomas_core::wire::Codec;
use aiomas_tests::client::Server;
use aiomas_tests::codecs::named;
use aiomas_tests::peer::Kind;
use aiomas_tests::runtimes::RuntimeKind;
use aiomas_tests::tls_files::TlsFiles;
use aiomas_tests::types::Serializers;
use clap::Parser;

/// Tests a server; panics at the first error.
#[derive(Parser)]
struct Options {
    /// The kind of server.
    kind: Kind,
    /// The server's address: `tcp://HOST:PORT` or `ipc://[PATH]`.
    #[arg(long)]
    addr: Address,
    /// The codec: json, msgpack, msgpackblosc or backwards.
    #[arg(long, default_value = "json", value_parser = named)]
    codec: Codec,
    /// The user types, in the order of their ids.
    #[arg(long, default_value = "none")]
    serializers: Serializers,
    /// The runtime of the client.
    #[arg(long, default_value = "poll")]
    runtime: RuntimeKind,
    /// The TLS files.
    #[command(flatten)]
    tls: TlsFiles,
    /// The server's agents have an external clock.
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
