//! All integration tests, in one program, because linking is slow.

#![allow(
    clippy::needless_pass_by_ref_mut,
    reason = "`&mut self` makes a method of an agent exclusive"
)]

mod attacks;
mod binding;
mod buffered;
mod clocks;
mod connection;
mod contract;
mod corpus;
mod counters;
mod custom_codec;
mod dates;
mod driver;
mod error_texts;
mod examples;
mod fleet;
mod guide;
mod managers;
mod mixed_fleet;
mod mosaik;
mod msgpack_oracle;
mod node;
mod parity;
mod program;
mod python_clients;
mod python_hello;
mod python_package;
mod python_peers;
mod python_servers;
mod references;
mod routing;
mod runtimes;
mod signals;
mod sim;
mod spans;
mod subproc;
mod tls;
mod transcripts;
mod typed_values;
mod values;
mod vectors;
mod world;

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use aiomas_core::wire::Codec;

/// All codecs.
const CODECS: [Codec; 3] = [Codec::Json, Codec::MsgPack, Codec::MsgPackBlosc];

/// Returns the unique address of a Unix socket.
fn ipc_address() -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("aiomas-test-{}-{number}", std::process::id());
    format!("ipc://[{}]", std::env::temp_dir().join(name).display())
}

/// Returns the program `peer`.
fn peer(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peer"));
    command.args(args);
    command
}
