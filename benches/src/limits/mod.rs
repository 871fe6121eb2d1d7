//! The limits: the cost of sockets and a runtime alone, with frames that are not decoded.

mod batched;
mod blocking;
mod futures;

use std::io;

use aiomas_bench_contract::{Load, Options, Role, Skills};

/// The limits, with their capabilities.
pub(crate) const LIMITS: [(&str, Skills); 3] = [
    // With a payload, both ends would block in a write, and neither would read.
    ("limit-blocking", Skills { unix: true, payload: false, connections: false, ..Skills::PEER }),
    ("limit-batched", Skills { unix: true, ..Skills::PEER }),
    ("limit-tokio", Skills { unix: true, ..Skills::PEER }),
];

/// Runs one of the limits.
pub(crate) fn run(options: &Options) -> Result<(), String> {
    let result = match (options.contestant.as_str(), &options.role) {
        ("limit-blocking", Role::Serve(serve)) => blocking::serve(&serve.address),
        ("limit-blocking", Role::Call(load)) => return blocking::call(load),
        ("limit-batched", Role::Serve(serve)) => batched::serve(&serve.address),
        ("limit-batched", Role::Call(load)) => return batched::call(load),
        ("limit-batched", Role::Hold(hold)) => return batched::hold(hold),
        ("limit-tokio", Role::Serve(serve)) => futures::serve(&serve.address),
        ("limit-tokio", Role::Call(load)) => return futures::call(load),
        ("limit-tokio", Role::Hold(hold)) => return futures::hold(hold),
        (name, _) => return Err(format!("{name} does not support this")),
    };
    result.map_err(|error| error.to_string())
}

/// The request of the small call, in MsgPack: `[0, 123, ["agents/0/service", [42], {}]]`.
const REQUEST: &[u8] = b"\x93\x00\x7b\x93\xb0agents/0/service\x91\x2a\x80";

/// The number of bytes to read at a time.
const READ: usize = 64 * 1024;

/// Returns the frame of a call: its length, a number, and the request or a payload.
fn frame(load: &Load) -> Vec<u8> {
    let mut body = REQUEST.to_vec();
    body.resize(body.len() + load.payload as usize, b'x');
    let length = (body.len() + 4) as u32;
    [&length.to_be_bytes()[..], &[0; 4], &body].concat()
}

/// Returns the error for an unexpected end of a stream.
fn cut() -> io::Error {
    io::ErrorKind::UnexpectedEof.into()
}
