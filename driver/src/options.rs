//! Configuration that all three layers share.

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

/// The fate of a peer's unanswered calls when its connection is lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnDisconnect {
    /// The call runs to its end, as in aiomas. Until then it counts against
    /// [`Limits::max_connections_per_peer`](aiomas_core::connection::Limits::max_connections_per_peer).
    #[default]
    Finish,
    /// A running method is dropped at its next await; a queued call is not started. A peer that ends its side of the
    /// stream counts as disconnected, although it could still read answers.
    Cancel,
}

/// Configures a channel, an RPC client or server, or a container. Each layer adds its own settings.
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
    /// Retries of the first connect.
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
    /// Returns the runtime. Layers above need its timers.
    pub const fn runtime(&self) -> &R {
        &self.runtime
    }

    /// Sets the codec that we write: JSON by default, as in aiomas. A listener answers each peer in the codec that the
    /// peer writes.
    pub fn codec(self, codec: Codec) -> Self {
        self.negotiate(Negotiate::Fixed(codec))
    }

    /// Sets how the two sides agree on a codec.
    pub fn negotiate(mut self, negotiate: Negotiate) -> Self {
        self.config.negotiate = negotiate;
        self
    }

    /// Sets the user's types, in the same order on both sides. The layer adds dates and references to services where
    /// they belong.
    pub fn types(mut self, types: Types) -> Self {
        self.config.types = types;
        self
    }

    /// Limits the memory and work that a peer can cause. Use [`Limits::exposed`] for addresses open to strangers.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.config.limits = limits;
        self
    }

    /// Changes any other setting of the connections.
    pub fn config(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.config);
        self
    }

    /// Sets how long a closing side waits for answers: ten seconds by default.
    pub const fn drain(mut self, drain: Duration) -> Self {
        self.drain = drain;
        self
    }

    /// Sets whether calls are gathered before they are written: with two or more in flight, other tasks run once, since
    /// they may have more. On by default; with a single caller it makes no difference.
    pub const fn coalesce(mut self, coalesce: bool) -> Self {
        self.coalesces = coalesce;
        self
    }

    /// Sets the fate of calls whose caller has disconnected: [`OnDisconnect::Finish`] by default.
    pub const fn calls_on_disconnect(mut self, policy: OnDisconnect) -> Self {
        self.orphans = policy;
        self
    }

    /// Speaks TLS, and nothing else, on all sockets, both dialled and accepted. See [`tls`](super::tls).
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: TlsConfig) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Returns the settings of the connections, once the layer's own types are added.
    ///
    /// # Errors
    /// [`Error::Runtime`]: this thread has no such runtime.
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

/// Wraps a type-erased runtime, so that TLS is compiled here, once for all runtimes.
#[cfg(feature = "tls")]
fn within_tls(runtime: AnyRuntime, tls: Option<TlsConfig>) -> AnyRuntime {
    match tls {
        Some(tls) => AnyRuntime::new(Secure::new(runtime, tls)),
        None => runtime,
    }
}

/// Settings shared by the connections of one channel, client or server.
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

    /// Binds a listener.
    pub(super) async fn listen(&self, address: &Address) -> Result<Acceptor, Error> {
        let bind = Acceptor::bind(self.host.clone(), address.clone(), &self.config.limits).await;
        bind.map_err(|error| Error::bind(address, &error))
    }

    /// Creates the connection of a stream. It does nothing until [`Stream::start`].
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
