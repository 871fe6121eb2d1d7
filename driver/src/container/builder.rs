//! The builder of containers.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, RwLock, Weak};

use super::handle::Container;
use super::hooks::Hooks;
use super::shared::ContainerShared;
use super::state::ContainerState;
use crate::acceptor::accept;
use crate::clock::Clock;
use crate::endpoint::EndpointId;
use crate::host::BoxFuture;
use crate::lock::lock;
use crate::options::{self, Settings};
use crate::peer_context::PeerContext;
use crate::runtime::Runtime;
use crate::{Error, Peer};
use aiomas_core::agent::{self, Address, ContainerConfig};
use aiomas_core::clock::Date;
use aiomas_core::connection::CloseReason;
use aiomas_core::internal::LocalCodec;
use aiomas_core::rpc::Caller;
use aiomas_core::wire::{CodecContext, RemoteError, Types};

/// Settings of a [`Container`], beside those of all layers.
#[derive(Clone, Debug, Default)]
pub struct Agents {
    config: ContainerConfig,
    advertised: Option<Result<Address, Error>>,
    clock: Option<(Date, f64)>,
    hooks: Hooks,
}

/// Builds a [`Container`].
pub type Builder<R> = options::Builder<R, Agents>;

/// Returns a builder of containers on `runtime`.
pub fn builder<R: Runtime>(runtime: R) -> Builder<R> {
    Builder::new(runtime)
}

/// Binds a container at `address` with default settings.
///
/// # Errors
/// See [`Builder::bind`].
pub async fn bind<R: Runtime>(
    runtime: R,
    address: impl TryInto<Address, Error: Into<Error>>,
) -> Result<Container, Error> {
    builder(runtime).bind(address).await
}

impl<R: Runtime> Builder<R> {
    /// Changes a limit or a time of the container itself. For connections, use [`config`](Self::config) and its
    /// shorthands.
    pub fn container_config(mut self, change: impl FnOnce(&mut ContainerConfig)) -> Self {
        change(&mut self.layer.config);
        self
    }

    /// Sets the address in the URLs of agents, where peers cannot reach the [bound](Self::bind) address: a container
    /// that listens at `0.0.0.0`, or behind a router. Port 0 stands for the bound port. An invalid address is an error
    /// of `bind`.
    ///
    /// aiomas replaces `0.0.0.0` with the name of the machine (`socket.getfqdn()`); this crate does not guess.
    ///
    /// ```no_run
    /// # use aiomas::{Container, Runtime};
    /// # async fn example<R: Runtime>(runtime: R) -> Result<Container, aiomas::Error> {
    /// // The first agent is tcp://house.example:5555/0.
    /// aiomas::container::builder(runtime)
    ///     .advertise("tcp://house.example:5555")
    ///     .bind("tcp://0.0.0.0:5555")
    ///     .await
    /// # }
    /// ```
    pub fn advertise(mut self, address: impl TryInto<Address, Error: Into<Error>>) -> Self {
        self.layer.advertised = Some(address.try_into().map_err(Into::into));
        self
    }

    /// Replaces the wall clock of the agents by an external clock. It stands still until it is [set](Clock::set_time).
    /// `start` is the date at time 0, `init_time` the initial time in seconds.
    pub const fn external_clock(mut self, start: Date, init_time: f64) -> Self {
        self.layer.clock = Some((start, init_time));
        self
    }

    /// Sets a hook that runs for each new connection, dialled or accepted. It runs before any call of the peer, and
    /// must not block.
    pub fn on_connect(mut self, f: impl Fn(&Peer) + Send + Sync + 'static) -> Self {
        self.layer.hooks.on_connect = Some(Arc::new(f));
        self
    }

    /// Sets a hook that runs when the connection to a peer is gone. The hook must not block.
    pub fn on_disconnect(
        mut self,
        f: impl Fn(&Peer, &CloseReason) + Send + Sync + 'static,
    ) -> Self {
        self.layer.hooks.on_disconnect = Some(Arc::new(f));
        self
    }

    /// Checks each call of a peer with `check`, as [`authorize`](aiomas_core::rpc::authorize) does before a service.
    /// `check` receives the path as it is on the wire: `agents/0/service`, and `validate_aid` when a peer looks up an
    /// agent. Calls between agents of the container are not checked; to check calls of one agent, use
    /// `container.spawn(authorize(agent, check))`.
    ///
    /// ```no_run
    /// # use aiomas::{Container, Runtime};
    /// use aiomas_core::rpc::Caller;
    /// use aiomas_core::wire::RemoteError;
    ///
    /// # async fn example<R: Runtime>(runtime: R) -> Result<Container, aiomas::Error> {
    /// aiomas::container::builder(runtime)
    ///     .authorize(|caller: &Caller, path: &str| match &caller.certificate {
    ///         Some(certificate) if &*certificate.subject == "CN=grid" => Ok(()),
    ///         _ => Err(RemoteError::permission(format_args!("{path} is for the grid alone"))),
    ///     })
    ///     .bind("tcp://0.0.0.0:5555")
    ///     .await
    /// # }
    /// ```
    pub fn authorize(
        mut self,
        check: impl Fn(&Caller, &str) -> Result<(), RemoteError> + Send + Sync + 'static,
    ) -> Self {
        self.layer.hooks.check = Some(Arc::new(check));
        self
    }

    /// Listens at `address`: `tcp://host:port` (0 for a free port), `ipc://[path]` or `local://name`. The URLs of
    /// agents begin with it, so peers must be able to reach this address or the [advertised](Self::advertise) one.
    ///
    /// The container listens at all addresses of a host name, with one port. A host name other than `localhost` that
    /// resolves to loopback addresses only causes a warning: an event of `tracing`, or a line on standard error without
    /// that feature.
    ///
    /// # Errors
    /// [`Error::Url`], [`Error::Bind`], or [`Error::Clock`] for an invalid start date.
    pub async fn bind(
        self,
        address: impl TryInto<Address, Error: Into<Error>>,
    ) -> Result<Container, Error> {
        let address = address.try_into().map_err(Into::into)?;
        let (settings, layer) = self.settle(Types::for_container)?;
        bind_with(settings, layer, address).await
    }
}

/// Binds a container. Boxed and not generic, so that it is compiled here, and not again in each program that binds.
fn bind_with(
    settings: Settings,
    layer: Agents,
    address: Address,
) -> BoxFuture<Result<Container, Error>> {
    Box::pin(async move {
        let advertised = layer.advertised.transpose()?;
        let acceptor = settings.listen(&address).await?;
        let bound = acceptor.address().map_err(|error| Error::bind(&address, &error))?;
        let address = match (advertised, &bound) {
            (Some(Address::Tcp { host, port: 0 }), &Address::Tcp { port, .. }) => {
                Address::Tcp { host, port }
            }
            (Some(advertised), _) => advertised,
            (None, _) => bound,
        };
        let (host, config, drain) =
            (settings.host.clone(), settings.config.clone(), settings.drain);
        let clock = match layer.clock {
            None => Clock::real(host.clone()),
            Some((start, init_time)) => Clock::external(host.clone(), start, init_time)?,
        };
        let max_agents = layer.config.max_agents;
        let machine = agent::Container::new(layer.config, address.clone(), host.seed());
        let inner = Arc::new_cyclic(|this: &Weak<ContainerShared>| {
            let peer_context = Arc::new(PeerContext::LocalDispatch(this.clone()));
            ContainerShared {
                this: this.clone(),
                id: EndpointId::new(),
                local_codec: LocalCodec::new(
                    CodecContext::new(config.types.clone(), config.limits.budget)
                        .with_peer(peer_context)
                        .guarded(true),
                ),
                host: host.clone(),
                address,
                max_local_calls: config.limits.max_calls_in,
                clock,
                max_mailbox: config.limits.max_mailbox,
                admission: acceptor.admission(),
                settings: Mutex::new(settings),
                drain,
                local_calls: AtomicUsize::new(0),
                users: AtomicUsize::new(0),
                state: Mutex::new(ContainerState::new(machine)),
                agents: RwLock::new(agent::Agents::new(max_agents)),
                hooks: layer.hooks,
                listening: Mutex::new(None),
            }
        });
        let container = Container::from_inner(inner.clone());
        host.spawn(inner.clone().watch());
        let accepting = inner.clone();
        let listening = accept(acceptor, move |stream| accepting.accepted(stream));
        *lock(&inner.listening) = Some(listening);
        Ok(container)
    })
}
