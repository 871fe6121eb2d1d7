//! The aiomas protocol as state machines over byte buffers (sans-IO).
//!
//! The crate implements request-reply channels, remote procedure calls with references in both directions, and agents
//! in containers. On the wire it is compatible, byte for byte, with Python's [aiomas](https://aiomas.readthedocs.io)
//! 2.0.1 and with the co-simulation framework mosaik.
//!
//! The crate opens no sockets, reads no clock, and does not spawn, sleep or lock. The caller passes in bytes and the
//! time; the state machines return bytes to write and the time of the next timeout. Therefore the crate runs on any
//! event loop, and tests can reach every branch.
//!
//! | module | contents |
//! |---|---|
//! | [`wire`] | frames, envelopes, codecs, values |
//! | [`connection`] | one byte stream: requests, answers, deadlines, limits, closing |
//! | [`rpc`] | paths, arguments bound as Python binds them, services, references to services |
//! | [`agent`](mod@agent) | addresses, containers, connections to other containers, and [`Node`](agent::Node), which combines all of these |
//! | [`clock`] | timers, external clocks, dates |
//!
//! A module depends only on the modules above it. Start with [`agent::Node`] to run agents in your own event loop
//! (`core/examples/poll_loop.rs` is a complete example), or with [`connection::Connection`] for a single stream:
//!
//! ```
//! use std::io::{self, Read, Write};
//! use std::net::{TcpListener, TcpStream};
//! use std::sync::Arc;
//! use std::time::Instant;
//!
//! use aiomas_core::connection::{CallOptions, Config, Connection, Event, Side};
//! use aiomas_core::rpc::{Caller, Outcome, Request, ServiceDict, dispatch, encode_call};
//! use bytes::{Buf, BytesMut};
//!
//! /// Moves bytes between a blocking stream and a connection until `done` returns `true`.
//! fn run<X>(
//!     mut stream: TcpStream,
//!     mut connection: Connection<X>,
//!     mut done: impl FnMut(&mut Connection<X>, Event<X>) -> bool,
//! ) -> io::Result<()> {
//!     let mut input = BytesMut::new();
//!     loop {
//!         while let Some(event) = connection.poll_event() {
//!             if done(&mut connection, event) {
//!                 return Ok(());
//!             }
//!         }
//!         while let Some(mut transmit) = connection.poll_transmit() {
//!             while transmit.has_remaining() {
//!                 let written = stream.write(transmit.chunk())?;
//!                 transmit.advance(written);
//!                 connection.handle_transmitted(Instant::now(), written);
//!             }
//!         }
//!         let mut buffer = [0; 4096];
//!         match stream.read(&mut buffer)? {
//!             0 => connection.handle_eof(Instant::now(), input.len()),
//!             count => {
//!                 input.extend_from_slice(&buffer[..count]);
//!                 connection.handle_input(Instant::now(), &mut input);
//!             }
//!         }
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! let config = Arc::new(Config::default()); // JSON, as aiomas
//!
//! // A server for a single client, which may be a Python program: `await client.remote.add(3, 4)`.
//! let server = Connection::<()>::new(config.clone(), Side::Listener, Instant::now());
//! let serving = std::thread::spawn(move || {
//!     let root: ServiceDict<()> =
//!         ServiceDict::new("Root").function("add", ["a", "b"], |a: i64, b: i64| a + b);
//!     run(listener.accept()?.0, server, |connection, event| match event {
//!         Event::Request(request) => {
//!             let result = match Request::parse(&request.content) {
//!                 Ok(call) => dispatch(&root, &call.path, &call.arguments, &Caller::new(0)),
//!                 Err(error) => Outcome::Done(Err(error.into())),
//!             };
//!             let Outcome::Done(result) = result else { unreachable!("all functions answer at once") };
//!             connection.answer(Instant::now(), request.token, &result).is_err()
//!         }
//!         Event::Closed { .. } => true,
//!         _ => false,
//!     })
//! });
//!
//! let mut client = Connection::new(config, Side::Dialler, Instant::now());
//! client
//!     .call_with(Instant::now(), CallOptions::default(), "my context", |format, codec_context, out| {
//!         encode_call(format, codec_context, "add", &(3, 4), &(), out)
//!     })
//!     .map_err(|refused| refused.why)?;
//! let mut sum = None;
//! run(TcpStream::connect(address)?, client, |_, event| match event {
//!     Event::Answer { ctx: "my context", result, .. } => {
//!         sum = result.ok().and_then(|payload| payload.decode::<i64>().ok());
//!         true
//!     }
//!     _ => false,
//! })?;
//! assert_eq!(sum, Some(7));
//! serving.join().unwrap()?;
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! - `blosc` (on by default): the codec MsgPackBlosc, a Blosc-1 codec in safe Rust.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod agent;
pub mod clock;
pub mod connection;
pub mod rpc;
pub mod wire;

/// Items that only the crate `aiomas` needs. They are not part of the API: any version may change them.
#[doc(hidden)]
pub mod internal {
    pub use crate::agent::agents::number;
    pub use crate::agent::local::LocalCodec;
    pub use crate::agent::mailbox::overloaded;
    pub use crate::agent::retry::Jitter;
    pub use crate::agent::root;
    pub use crate::agent::validate::TypeName;
    pub use crate::connection::{LogRates, Packed, Step, Unpacked, unanswered};
    pub use crate::wire::{Scratch, blob, buffer_pool, causes, missing};
}
