//! The async API of aiomas: one driver for every async runtime, and the handles that programs use.
//!
//! The protocol lives in the state machines of [`connection`](aiomas_core::connection) and
//! [`agent`](mod@aiomas_core::agent); this crate moves their bytes. [`Runtime`] lists everything that the crate needs
//! of a runtime. The adapters (`aiomas-tokio` and its siblings) implement it and fill it in, so a program writes
//! `rpc::connect(address)`. The rest of the crate knows no runtime, so agents run on any of them.
//!
//! Each connection has one task, which does all reading and writing and runs the calls of the peer, and one lock. The
//! lock is held briefly: never over a system call or over user code. See `docs/design.md`.

#![cfg_attr(docsrs, feature(doc_cfg))]

// The code that the macros write names this crate `aiomas`.
extern crate self as aiomas;

mod acceptor;
mod adapter;
mod any_connection;
mod call;
mod call_state;
mod cancel;
pub mod channel;
pub mod clock;
pub mod connection;
mod contain;
pub mod container;
mod context;
mod deadline;
mod dialling;
mod endpoint;
mod error;
#[cfg(feature = "futures-io")]
pub mod futures;
mod heavy;
mod host;
mod later;
mod local;
mod local_dispatch;
mod lock;
pub mod manager;
mod options;
pub mod panics;
mod peer;
mod peer_context;
mod proxy;
pub mod reconnect;
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
pub use container::agent_ref::AgentRef;
pub use container::connect::Connect;
pub use container::handle::Container;
pub use context::Context;
pub use error::Error;
pub use host::AnyRuntime;
pub use later::{Answer, Later, SharedService, failure};
#[doc(hidden)]
pub use later::{Causes, CausesOfAny, CausesOfError, NoCauses, caused};
pub use local::LocalNames;
pub use options::{Builder, OnDisconnect};
pub use peer::{Peer, PeerState};
pub use proxy::{CallBuilder, Proxy};
pub use runtime::Runtime;
pub use service::{
    Agent, AgentHandle, Exclusive, Interface, IntoService, Invocation, Method, Shared,
};
#[doc(hidden)]
pub use service::{HostedAgent, host_agent};
pub use socket::Socket;
pub use stats::{Connections, ContainerStats};
pub use transport::{KeepAlive, Listener, Timer, Transport};
pub use unstopped::{StopFailure, UnstoppedAgent};

/// Values, codecs, and their errors.
pub mod wire {
    pub use aiomas_core::wire::{
        Blob, Budget, Codec, CodecContext, CodecError, CustomCodec, Format, Integer,
        ParseIntegerError, Payload, Printable, Profile, RemoteError, Types, Value, typed,
    };
}

pub use aiomas_macros::{agent, expose, serializable, service};

/// Support for the code that the macros write. Not for direct use.
#[doc(hidden)]
pub mod __macro {
    pub use serde;

    pub use crate::{
        Agent, AgentHandle, Answer, Call, Causes, CausesOfAny, CausesOfError, Context, Exclusive,
        HostedAgent, Interface, IntoService, Invocation, Later, Method, NoCauses, Proxy, Shared,
        SharedService, caused, failure, host_agent,
    };
    pub use aiomas_core::rpc::{Keyword, Keywords, Parameter, Positional, Signature};
    pub use aiomas_core::wire::typed::Serializable;
    pub use aiomas_core::wire::{RemoteError, typed};
}
