//! What all three layers are configured with.

use std::sync::Arc;
use std::time::Duration;

use super::Error;
use super::acceptor::Acceptor;
use super::connection::{Connection, ConnectionConfig, Handler};
use super::heavy::HeavyWork;
#[cfg(feature = "tls")]
use super::host::AnyRuntime;
use super::host::Host;
use super::peer_context::PeerContext;
use super::runtime::Runtime;
use super::stream::Stream;
#[cfg(feature = "tls")]
use super::tls::{Secure, TlsConfig};
use aiomas_core::agent::{Address, RetryPolicy};
use aiomas_core::connection::{Config, Limits, Negotiate, Side};
use aiomas_core::wire::{Codec, Types};

/// What becomes of what a peer has called, and has not been answered yet, when its connection is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnDisconnect {
    /// It runs to its end, as in aiomas. Until then it counts against
    /// [`Limits::max_connections_per_peer`](aiomas_core::connection::Limits::max_connections_per_peer).
    #[default]
    Finish,
    /// A method that runs is dropped where it waits next; a call that waits for its turn is not started. A peer
    /// that ends its side of the stream counts as gone, although it could still read answers.
    Cancel,
}

/// What a channel, an RPC client or server, or a container is made with. Each layer adds what it needs.
///
/// `R` is the runtime; adapters fill it in.
#[derive(Clone, Debug)]
#[must_use = "nothing happens until it is connected, or listens"]
pub struct Builder<R, L> {
    pub(super) runtime: R,
    pub(super) config: Config,
    pub(super) drain: Duration,
    pub(super) coalesces: bool,
    pub(super) orphans: OnDisconnect,
    /// Of those that connect, for the first stream.
    pub(super) retry: RetryPolicy,
    #[cfg(feature = "tls")]
    tls: Option<TlsConfig>,
    pub(super) layer: L,
}

impl<R: Runtime, L: Default> Builder<R, L> {
    pub(super) fn new(runtime: R) -> Self {
        Self {
            runtime,
            config: Config::default(),
            drain: Duration::from_secs(10),
            coalesces: true,
            orphans: OnDisconnect::Finish,
            retry: RetryPolicy::default(),
            #[cfg(feature = "tls")]
            tls: None,
            layer: L::default(),
        }
    }
}

impl<R: Runtime, L> Builder<R, L> {
    /// The runtime that it is for. Layers above need its timers.
    pub const fn runtime(&self) -> &R {
        &self.runtime
    }

    /// The codec that we write: JSON unless told otherwise, as in aiomas. Whoever listens answers each
    /// peer in the codec that it is addressed in.
    pub fn codec(self, codec: Codec) -> Self {
        self.negotiate(Negotiate::Fixed(codec))
    }

    /// How to agree on a codec.
    pub fn negotiate(mut self, negotiate: Negotiate) -> Self {
        self.config.negotiate = negotiate;
        self
    }

    /// The user's types, in the order that both sides have them in. Dates and references to services are
    /// added where they belong.
    pub fn types(mut self, types: Types) -> Self {
        self.config.types = types;
        self
    }

    /// What a peer can make us hold or do: [`Limits::exposed`] for whatever strangers can connect to.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// Changes any other setting of the connections.
    pub fn config(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// How long calls may take to be answered when we close: ten seconds unless told otherwise.
    pub const fn drain(mut self, drain: Duration) -> Self {
        self.drain = drain;
        self
    }

    /// Whether calls are gathered before they are written: when two or more are in flight, other tasks are
    /// let run once, for they may have more. On unless told otherwise; with a single caller it makes no
    /// difference.
    pub const fn coalesce(mut self, coalesce: bool) -> Self {
        self.coalesces = coalesce;
        self
    }

    /// What becomes of calls whose callers are gone: [`OnDisconnect::Finish`] unless told otherwise.
    pub const fn calls_on_disconnect(mut self, policy: OnDisconnect) -> Self {
        self.orphans = policy;
        self
    }

    /// Speaks TLS, and nothing else, at all sockets: those that are connected to, and those that others connect
    /// to. See [`tls`](super::tls).
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.tls = Some(tls);
        self
    }

    /// What connections are made with, once the layer's own types are added.
    ///
    /// # Errors
    /// [`Error::Runtime`]: there is none here.
    pub(super) fn settle(self, types: fn(&Types) -> Types) -> Result<(Settings, L), Error> {
        let Self { runtime, mut config, drain, coalesces, orphans, layer, .. } = self;
        let runtime =
            runtime.attach().map_err(|error| Error::Runtime { text: error.to_string().into() })?;
        config.types = types(&config.types);
        #[cfg(feature = "tls")]
        let runtime = within_tls(runtime, self.tls);
        let host = runtime.0;
        let heavy = HeavyWork::new(host.clone());
        let settings =
            Settings { host, heavy, config: Arc::new(config), drain, coalesces, orphans };
        Ok((settings, layer))
    }
}

/// Around a runtime without its type, so that TLS is compiled here, once for all runtimes.
#[cfg(feature = "tls")]
fn within_tls(runtime: AnyRuntime, tls: Option<TlsConfig>) -> AnyRuntime {
    match tls {
        Some(tls) => AnyRuntime::new(Secure::new(runtime, tls)),
        None => runtime,
    }
}

/// What connections of one channel, client or server have in common.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) host: Arc<dyn Host>,
    pub(super) heavy: Arc<HeavyWork>,
    pub(super) config: Arc<Config>,
    pub(super) drain: Duration,
    pub(super) coalesces: bool,
    pub(super) orphans: OnDisconnect,
}

impl Settings {
    /// Opens a stream.
    pub(super) async fn dial(&self, address: &Address) -> Result<Stream, Error> {
        let dial = Stream::dial(self.host.clone(), address.clone(), &self.config.limits).await;
        dial.map_err(|error| Error::dial(address, &error))
    }

    /// Listens.
    pub(super) async fn listen(&self, address: &Address) -> Result<Acceptor, Error> {
        let bind = Acceptor::bind(self.host.clone(), address.clone(), &self.config.limits).await;
        bind.map_err(|error| Error::bind(address, &error))
    }

    /// Makes a connection of a stream. It does nothing until [`Stream::start`].
    pub(super) fn connection(
        &self,
        stream: &Stream,
        side: Side,
        id: u64,
        closes_unused: bool,
        handler: Arc<dyn Handler>,
    ) -> Arc<Connection> {
        let config = self.config.clone();
        let (coalesces, drain) = (self.coalesces, self.drain);
        let cancels_orphans = self.orphans == OnDisconnect::Cancel;
        let caller = stream.caller(id);
        let config = ConnectionConfig {
            config,
            heavy: self.heavy.clone(),
            side,
            id,
            caller,
            closes_unused,
            coalesces,
            drain,
            cancels_orphans,
        };
        Connection::new(self.host.clone(), handler, config, |connection| {
            Arc::new(PeerContext::Connection(connection))
        })
    }
}
