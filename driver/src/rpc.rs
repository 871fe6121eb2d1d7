//! Remote procedure calls, in both directions (aiomas' `rpc`).

mod client;
mod server;

pub use aiomas_core::rpc::function::{Function, Return};
pub use aiomas_core::rpc::{
    Access, Arguments, Authorized, Bound, Caller, CallerId, Check, Outcome, Parameter, Path,
    PeerCertificate, Service, ServiceDict, ServiceRef, Signature, authorize,
};

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use self::client::RpcClient;
pub use self::server::RpcServer;

use self::server::ServerShared;
use super::acceptor::accept;
use super::any_connection::AnyConnection;
use super::connection::{Connection, ConnectionRef, DisconnectHook, Handler};
use super::contain::{Contained, undisturbed};
use super::endpoint::Endpoint;
use super::host::BoxFuture;
use super::later::{Later, SharedService, guarded};
use super::options::{self, Settings};
use super::reconnect::{self, Dials};
use super::runtime::Runtime;
use super::service::IntoService;
use super::trace;
use super::{Error, Peer};
use aiomas_core::agent::{Address, RetryLimit, RetryPolicy};
use aiomas_core::connection::{CloseReason, ReplyToken, Request};
use aiomas_core::rpc;
use aiomas_core::wire::{RemoteError, Types};

/// Settings of RPC clients and servers, beside those of all layers.
#[derive(Clone, Default)]
pub struct Services {
    root: Option<SharedService>,
    on_connect: Option<Arc<dyn Fn(RpcClient) + Send + Sync>>,
    on_disconnect: Option<DisconnectHook>,
    reconnect: Option<RetryPolicy>,
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services")
            .field("root", &self.root.as_ref().map(|root| root.type_name()))
            .finish_non_exhaustive()
    }
}

/// Builds an [`RpcClient`] or an [`RpcServer`].
pub type Builder<R> = options::Builder<R, Services>;

/// Returns a builder of RPC clients and servers on `runtime`.
pub fn builder<R: Runtime>(runtime: R) -> Builder<R> {
    Builder::new(runtime)
}

impl<R: Runtime> Builder<R> {
    /// Sets the root service, which the peer may call. Clients often have none.
    pub fn service(mut self, root: impl IntoService) -> Self {
        self.layer.root = Some(root.into_service());
        self
    }

    /// Sets a hook that runs for each connected client of a server (aiomas' `client_connected_cb`): keep the handle,
    /// call [`RpcClient::remote`], or start a task. The hook must not block.
    pub fn on_connect(mut self, f: impl Fn(RpcClient) + Send + Sync + 'static) -> Self {
        self.layer.on_connect = Some(Arc::new(f));
        self
    }

    /// Sets a hook that runs when a client's connection is gone. It must not block.
    pub fn on_disconnect(
        mut self,
        f: impl Fn(&Peer, &CloseReason) + Send + Sync + 'static,
    ) -> Self {
        self.layer.on_disconnect = Some(Arc::new(f));
        self
    }

    /// Makes a client outlive its connection: see [`reconnecting`](mod@crate::reconnect). When a call finds the
    /// connection lost, `address` is dialled again, and the root service of this side is available again, too. A
    /// `Duration` limits the time for dialling, a [`RetryPolicy`] sets the waits as well. [`retry`](Self::retry) still
    /// governs the first connect.
    ///
    /// ```no_run
    /// # async fn example<R: aiomas::Runtime>(runtime: R) -> Result<(), aiomas::Error> {
    /// use std::time::Duration;
    ///
    /// let within = Duration::from_secs(30);
    /// let client = aiomas::rpc::builder(runtime).reconnect(within).connect("tcp://localhost:5555").await?;
    /// let sum: i64 = client.remote().idempotent().call("add").arg(3).arg(4).send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn reconnect(mut self, policy: impl Into<RetryPolicy>) -> Self {
        self.layer.reconnect = Some(policy.into());
        self
    }

    /// Sets how [`connect`](Self::connect) retries. The default is [once](RetryLimit::Once). Other limits use the waits
    /// of aiomas' `timeout`: half a second, then half as long again each time, up to 30 s.
    pub fn retry(mut self, policy: impl Into<RetryPolicy>) -> Self {
        self.retry = policy.into();
        self
    }

    /// Retries until `time` has passed: [`RetryLimit::Within`].
    pub const fn within(mut self, time: Duration) -> Self {
        self.retry.limit = RetryLimit::Within(time);
        self
    }

    /// Sets the time limit for one dial attempt of [`connect`](Self::connect). It covers all addresses of the host and
    /// TLS. 10 s by default; at least 1 ms. A reconnecting client has a [policy of its own](Self::reconnect) for later
    /// attempts.
    pub const fn dial_timeout(mut self, time: Duration) -> Self {
        self.retry.dial_timeout = time;
        self
    }

    /// Connects to the server at `address`. [`retry`](Self::retry) governs the attempts.
    ///
    /// # Errors
    /// [`Error::Url`], [`Error::Dial`] or [`Error::Tls`].
    ///
    /// # Cancel safety
    /// Dropping the future cancels the attempt.
    pub async fn connect(
        self,
        address: impl TryInto<Address, Error: Into<Error>>,
    ) -> Result<RpcClient, Error> {
        let address = address.try_into().map_err(Into::into)?;
        let retry = self.retry;
        let (settings, layer) = self.settle(Types::for_rpc)?;
        connect_with(settings, layer, address, retry).await
    }

    /// Listens at `address`, and serves each client.
    ///
    /// # Errors
    /// [`Error::Url`] or [`Error::Bind`].
    pub async fn listen(
        self,
        address: impl TryInto<Address, Error: Into<Error>>,
    ) -> Result<RpcServer, Error> {
        let address = address.try_into().map_err(Into::into)?;
        let (settings, layer) = self.settle(Types::for_rpc)?;
        listen_with(settings, layer, address).await
    }

    /// Serves clients at `address` until a method [stops](super::Context::stop) the server. It suits programs that do
    /// nothing else; to learn a port chosen by the system, use [`listen`](Self::listen).
    ///
    /// ```no_run
    /// # use aiomas::Runtime;
    /// use aiomas::{Context, Error, service};
    ///
    /// struct Root;
    ///
    /// #[service]
    /// impl Root {
    ///     #[expose]
    ///     fn stop(&self, #[context] ctx: &Context) -> Result<(), Error> {
    ///         ctx.stop()
    ///     }
    /// }
    ///
    /// # async fn example<R: Runtime>(runtime: R) -> Result<(), Error> {
    /// aiomas::rpc::builder(runtime).service(Root).serve("tcp://0.0.0.0:5555").await
    /// # }
    /// ```
    ///
    /// # Errors
    /// The errors of [`listen`](Self::listen).
    ///
    /// # Cancel safety
    /// Dropping the future drops the server.
    pub async fn serve(
        self,
        address: impl TryInto<Address, Error: Into<Error>>,
    ) -> Result<(), Error> {
        self.listen(address).await?.stopped().await;
        Ok(())
    }
}

// Boxed and not generic, so that these functions are compiled here, and not again in each program that connects or
// listens.

fn connect_with(
    settings: Settings,
    layer: Services,
    address: Address,
    retry: RetryPolicy,
) -> BoxFuture<Result<RpcClient, Error>> {
    Box::pin(async move {
        let handler = Arc::new(ServiceHandler::new(layer.root));
        let reconnect = layer.reconnect.unwrap_or_default();
        let dials = Dials { settings, address, handler, retry: reconnect };
        let connection = dials.dial(&retry, |_| ()).await?;
        let Some(reconnect) = layer.reconnect else {
            return Ok(RpcClient::of_connection(connection));
        };
        let host = dials.settings.host.clone();
        let limit = dials.settings.config.limits.max_calls_out;
        let reconnecting =
            reconnect::ReconnectShared::new(host, connection, dials, reconnect, limit);
        Ok(RpcClient::new(AnyConnection::Reconnecting(reconnecting)))
    })
}

fn listen_with(
    settings: Settings,
    layer: Services,
    address: Address,
) -> BoxFuture<Result<RpcServer, Error>> {
    Box::pin(async move {
        let acceptor = settings.listen(&address).await?;
        let address = acceptor.address().map_err(|error| Error::bind(&address, &error))?;
        let Services { root, on_connect, on_disconnect, .. } = layer;
        let shared = ServerShared::new(on_disconnect, settings.drain);
        let handler =
            Arc::new(ServiceHandler { server: Some(shared.clone()), ..ServiceHandler::new(root) });
        let admission = acceptor.admission();
        let listening = accept(acceptor, {
            let shared = shared.clone();
            move |stream| {
                if let Some(connection) = shared.admit(&settings, &stream, handler.clone()) {
                    stream.start(connection.clone());
                    if let Some(on_connect) = &on_connect {
                        let client = RpcClient::of_connection(ConnectionRef::new(connection));
                        undisturbed(|| on_connect(client));
                    }
                }
            }
        });
        let server = RpcServer { address, shared, admission };
        server.shared.listens(listening);
        Ok(server)
    })
}

/// Answers calls from a tree of services.
struct ServiceHandler {
    root: Contained<SharedService>,
    server: Option<Arc<ServerShared>>,
}

impl ServiceHandler {
    fn new(root: Option<SharedService>) -> Self {
        // aiomas never answers calls to a client without services.
        let root = root.unwrap_or_else(|| Arc::new(ServiceDict::<Later>::new("Client")));
        Self { root: Contained::new(root), server: None }
    }
}

impl Handler for ServiceHandler {
    fn handle(
        &self,
        connection: &Arc<Connection>,
        request: Request,
    ) -> Option<(ReplyToken, Outcome<Later>)> {
        let Request { token, content, deadline, .. } = request;
        let caller = connection.caller_until(deadline);
        let outcome = match rpc::Request::parse(&content) {
            Ok(call) => {
                let (root, rpc::Request { path, arguments, .. }) = (&**self.root, &call);
                let run = || guarded(|| rpc::dispatch(root, path, arguments, &caller));
                trace::request(|| connection.host(), &caller, trace::Id::of(&token), path, run)
            }
            Err(error) => {
                trace::malformed(|| connection.host(), &caller, &error);
                Outcome::from(RemoteError::from(error))
            }
        };
        Some((token, outcome))
    }

    fn closed(&self, connection: &Arc<Connection>, reason: &CloseReason) {
        if let Some(server) = &self.server {
            server.closed(connection, reason);
        }
    }

    fn endpoint(&self) -> Option<&dyn Endpoint> {
        self.server.as_ref().map(|server| &**server as &dyn Endpoint)
    }
}
