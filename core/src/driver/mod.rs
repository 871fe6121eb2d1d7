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
    reason = "the driver is where locks and the time come from; with the feature `sockets`, also sockets and threads"
)]

mod accept;
mod adapter;
mod arrivals;
mod call;
mod cancel;
pub mod channel;
mod clock;
mod contain;
pub mod container;
mod context;
mod dialling;
mod endpoint;
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
pub mod panics;
mod peer;
mod place;
mod proxy;
mod reference;
pub mod rpc;
mod runtime;
mod service;
mod socket;
#[cfg(all(unix, feature = "sockets"))]
mod socket_file;
#[cfg(feature = "sockets")]
pub mod sockets;
mod stats;
mod stop;
mod stream;
#[cfg(feature = "tls")]
pub mod tls;
mod trace;
mod transport;
mod unstopped;
pub mod waits;
mod wakers;

pub use call::Call;
pub use channel::{Channel, Request};
pub use clock::{Clock, TimerHandle};
pub use container::{AgentRef, Connect, Container};
pub use context::Context;
pub use error::Error;
pub use later::{Answer, Later, SharedService, failure};
#[doc(hidden)]
pub use later::{Causes, CausesOfAny, CausesOfError, NoCauses, caused};
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
pub use stats::{Connections, ContainerStats};
pub use transport::{KeepAlive, Listener, Timer, Transport};
pub use unstopped::{StopFailure, UnstoppedAgent};
