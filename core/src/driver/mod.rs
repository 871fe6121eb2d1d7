//! The core on an async runtime: one driver for all of them, and the handles that programs use.
//!
//! The protocol is in the state machines of [`connection`](crate::connection) and
//! [`agent`](mod@crate::agent); this module moves their bytes. What it needs of a runtime is in
//! [`Runtime`], which the adapters implement: `aiomas-tokio` and its siblings. They also fill the runtime
//! in, so that a program says `rpc::connect(address)`; everything else here knows no runtime, so agents
//! run on whichever there is.
//!
//! Each connection has one task, which does all reading and writing and runs what the peer calls, and one
//! lock, which is held for moments only: neither over a system call nor over user code. See
//! `docs/design.md`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the driver is where locks and the time come from; it has no sockets and no threads either"
)]

mod accept;
mod adapter;
mod arrivals;
mod call;
mod cancel;
pub mod channel;
mod clock;
pub mod container;
mod context;
mod dialling;
mod error;
#[cfg(feature = "futures-io")]
pub mod futures;
mod heavy;
mod home;
mod host;
mod later;
pub mod line;
mod link;
mod local;
mod lock;
pub mod manager;
mod network;
mod opening;
mod options;
mod origin;
mod peer;
mod place;
mod proxy;
pub mod rpc;
mod runtime;
mod service;
mod socket;
#[cfg(unix)]
mod socket_file;
mod stats;
mod stop;
mod stream;
#[cfg(feature = "tls")]
pub mod tls;
mod trace;
mod transport;
pub mod waits;

pub use call::Call;
pub use channel::{Channel, Request};
pub use clock::{Clock, TimerHandle};
pub use container::{AgentRef, Connect, Container};
pub use context::Context;
pub use error::Error;
pub use later::{Answer, Later, SharedService, failure};
pub use line::{Line, LineState, Reconnect};
pub use local::LocalNames;
pub use options::{Builder, OrphanedCalls};
pub use peer::{Peer, PeerState};
pub use proxy::{CallBuilder, Proxy};
pub use rpc::{RpcClient, RpcServer};
pub use runtime::Runtime;
pub use service::{Agent, Exclusive, Identity, Interface, IntoService, Invocation, Method, Shared};
#[doc(hidden)]
pub use service::{Resident, host_agent};
pub use socket::Socket;
#[cfg(unix)]
pub use socket_file::SocketFile;
pub use stats::{Connections, ContainerStats};
pub use transport::{KeepAlive, Listener, Timer, Transport};
