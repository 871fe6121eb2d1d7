//! Remote procedure calls, in both directions (aiomas' `rpc`).

use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Waker;

use super::accept::accept;
use super::cancel::Canceller;
use super::later::{Answer, Later, SharedService, guarded, undisturbed};
use super::link::{Handler, Link, LinkUser};
use super::lock::lock;
use super::network::Stream;
use super::options::{self, Settings};
use super::runtime::Runtime;
use super::service::IntoService;
use super::{Error, Proxy};
use crate::agent::Address;
use crate::connection::{Admission, AdmissionStats, Close, CloseReason, ReplyToken, Request, Side};
use crate::rpc::{self, Outcome, PeerCertificate, ServiceDict};
use crate::wire::{RemoteError, Types};

type OnDisconnect = Arc<dyn Fn(u64, &CloseReason) + Send + Sync>;

/// What RPC clients and servers are made with, beside what all layers have.
#[derive(Clone, Default)]
pub struct Services {
    root: Option<SharedService>,
    on_connect: Option<Arc<dyn Fn(RpcClient) + Send + Sync>>,
    on_disconnect: Option<OnDisconnect>,
}

impl fmt::Debug for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Services")
            .field("root", &self.root.as_ref().map(|root| root.type_name()))
            .finish_non_exhaustive()
    }
}

/// Makes an [`RpcClient`] or an [`RpcServer`].
pub type Builder<R> = options::Builder<R, Services>;

/// A builder of RPC clients and servers on `runtime`.
pub fn builder<R: Runtime>(runtime: R) -> Builder<R> {
    Builder::new(runtime)
}

impl<R: Runtime> Builder<R> {
    /// The root service, which the other side may call. Clients may well have none.
    pub fn service(mut self, root: impl IntoService) -> Self {
        self.layer.root = Some(root.into_service());
        self
    }

    /// What a server does with each client that has connected (aiomas' `client_connected_cb`): keep the
    /// handle, call [`RpcClient::remote`], or start a task. It must not block.
    pub fn on_connect(mut self, f: impl Fn(RpcClient) + Send + Sync + 'static) -> Self {
        self.layer.on_connect = Some(Arc::new(f));
        self
    }

    /// What a server does when a client's connection is gone, whose number it is told
    /// ([`Caller::connection`](crate::rpc::Caller::connection)). It must not block.
    pub fn on_disconnect(mut self, f: impl Fn(u64, &CloseReason) + Send + Sync + 'static) -> Self {
        self.layer.on_disconnect = Some(Arc::new(f));
        self
    }

    /// Connects to whoever listens at `address`.
    ///
    /// # Errors
    /// [`Error::Url`], [`Error::Dial`] or [`Error::Tls`].
    ///
    /// # Cancel safety
    /// Dropping the future gives the attempt up.
    pub async fn connect(
        self,
        address: impl TryInto<Address, Error: Into<Error>>,
    ) -> Result<RpcClient, Error> {
        let address = address.try_into().map_err(Into::into)?;
        let (settings, layer) = self.settle(Types::for_rpc);
        let stream = settings.dial(&address).await?;
        let handler = Arc::new(ServiceHandler::new(layer.root));
        let link = settings.link(&stream, Side::Dialler, 0, true, handler);
        let client = RpcClient(LinkUser::new(link.clone()));
        stream.start(link);
        Ok(client)
    }

    /// Listens at `address`, and serves whoever connects.
    ///
    /// # Errors
    /// [`Error::Url`] or [`Error::Bind`].
    pub async fn listen(
        self,
        address: impl TryInto<Address, Error: Into<Error>>,
    ) -> Result<RpcServer, Error> {
        let address = address.try_into().map_err(Into::into)?;
        let (settings, layer) = self.settle(Types::for_rpc);
        let entrance = settings.listen(&address).await?;
        let address = entrance.address().map_err(|error| Error::bind(&address, &error))?;
        let Services { root, on_connect, on_disconnect } = layer;
        let clients = Arc::new(Clients { on_disconnect, ..Clients::default() });
        let handler = Arc::new(ServiceHandler {
            clients: Some(clients.clone()),
            ..ServiceHandler::new(root)
        });
        let (admission, drain) = (entrance.admission(), settings.drain);
        let listening = accept(entrance, {
            let clients = clients.clone();
            move |stream| {
                if let Some(link) = clients.admit(&settings, &stream, &handler) {
                    stream.start(link.clone());
                    if let Some(on_connect) = &on_connect {
                        undisturbed(|| on_connect(RpcClient(LinkUser::new(link))));
                    }
                }
            }
        });
        Ok(RpcServer { address, clients, admission, listening: Some(listening), drain })
    }
}

/// Answers calls from a tree of services.
struct ServiceHandler {
    root: SharedService,
    clients: Option<Arc<Clients>>,
}

impl ServiceHandler {
    fn new(root: Option<SharedService>) -> Self {
        // aiomas leaves calls of a client without services unanswered for ever.
        let root = root.unwrap_or_else(|| Arc::new(ServiceDict::<Later>::new("Client")));
        Self { root, clients: None }
    }
}

impl Handler for ServiceHandler {
    fn handle(&self, link: &Arc<Link>, request: Request) -> Option<(ReplyToken, Answer)> {
        let Request { token, content, .. } = request;
        let outcome = match rpc::Request::parse(&content) {
            Ok(call) => {
                guarded(|| rpc::dispatch(&*self.root, &call.path, &call.arguments, link.caller()))
            }
            Err(error) => Outcome::from(RemoteError::from(error)),
        };
        link.settle(token, outcome)
    }

    fn closed(&self, link: &Arc<Link>, reason: &CloseReason) {
        if let Some(clients) = &self.clients {
            clients.closed(link.caller().connection, reason);
        }
    }
}

/// The clients of a server.
#[derive(Default)]
struct Clients {
    list: Mutex<List>,
    on_disconnect: Option<OnDisconnect>,
}

#[derive(Default)]
struct List {
    links: BTreeMap<u64, Arc<Link>>,
    last: u64,
    ended: bool,
    waiting: Vec<Waker>,
}

impl Clients {
    fn admit(
        &self,
        settings: &Settings,
        stream: &Stream,
        handler: &Arc<ServiceHandler>,
    ) -> Option<Arc<Link>> {
        let id = {
            let mut list = lock(&self.list);
            list.last += 1;
            list.last
        };
        let link = settings.link(stream, Side::Listener, id, false, handler.clone());
        let mut list = lock(&self.list);
        if list.ended {
            return None;
        }
        list.links.insert(id, link.clone());
        Some(link)
    }

    fn closed(&self, id: u64, reason: &CloseReason) {
        let (link, waiting) = {
            let mut list = lock(&self.list);
            (list.links.remove(&id), std::mem::take(&mut list.waiting))
        };
        drop(link);
        waiting.into_iter().for_each(Waker::wake);
        if let Some(on_disconnect) = &self.on_disconnect {
            undisturbed(|| on_disconnect(id, reason));
        }
    }

    fn close(&self, how: Close) {
        let links: Vec<_> = {
            let mut list = lock(&self.list);
            list.ended = true;
            list.links.values().cloned().collect()
        };
        for link in links {
            link.close(how);
        }
    }
}

/// A connection to a peer with services.
///
/// Cloning it is cheap. A client that has connected is closed when its last clone and proxy are gone,
/// once what has been called is answered; a server's connections last until the client or the server ends.
#[derive(Clone)]
pub struct RpcClient(LinkUser);

impl RpcClient {
    /// The root service of the other side.
    #[must_use]
    pub fn remote(&self) -> Proxy {
        Proxy::of_link(Arc::clone(&self.0), "")
    }

    /// The root service of the other side, as a typed proxy.
    #[must_use]
    pub fn remote_as<P: From<Proxy>>(&self) -> P {
        self.remote().into()
    }

    /// The number by which services know the connection.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.0.caller().connection
    }

    /// The address of the other side, if it has one.
    #[must_use]
    pub fn peer(&self) -> Option<&str> {
        self.0.peer()
    }

    /// The certificate by which the other side has proven who it is, if TLS is spoken.
    #[must_use]
    pub fn certificate(&self) -> Option<&PeerCertificate> {
        self.0.caller().certificate.as_deref()
    }

    /// Counts of what went over the connection.
    #[must_use]
    pub fn stats(&self) -> crate::connection::Stats {
        self.0.stats()
    }

    /// Closes the connection.
    pub fn close(&self, how: Close) {
        self.0.close(how);
    }

    /// Waits until the connection is closed, and tells why.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn closed(&self) -> CloseReason {
        poll_fn(|cx| self.0.poll_closed(cx)).await
    }
}

impl fmt::Debug for RpcClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RpcClient").field("peer", &self.peer()).finish_non_exhaustive()
    }
}

/// Serves whoever connects, until it is dropped or shut down.
pub struct RpcServer {
    address: Address,
    clients: Arc<Clients>,
    admission: Arc<Mutex<Admission>>,
    listening: Option<Canceller>,
    drain: std::time::Duration,
}

impl RpcServer {
    /// Where it listens, with the real port.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// The clients that are connected.
    #[must_use]
    pub fn clients(&self) -> Vec<RpcClient> {
        let list = lock(&self.clients.list);
        list.links.values().map(|link| RpcClient(LinkUser::new(link.clone()))).collect()
    }

    /// Counts of the connections that were accepted or refused.
    #[must_use]
    pub fn admission(&self) -> AdmissionStats {
        lock(&self.admission).stats()
    }

    /// Ends the server: no clients and calls are taken any more, what has been called is answered, within
    /// ten seconds (see [`Builder::drain`]), and connections are closed.
    ///
    /// # Cancel safety
    /// It happens whether or not the future is awaited to its end, once it has been polled.
    pub async fn shutdown(self) {
        let within = self.drain;
        self.shutdown_by(Close::AfterAnswers { within }).await;
    }

    /// As [`shutdown`](Self::shutdown), with a choice of what becomes of calls that have not been answered.
    ///
    /// # Cancel safety
    /// As [`shutdown`](Self::shutdown).
    pub async fn shutdown_by(mut self, how: Close) {
        let listening = self.listening.take();
        if let Some(listening) = &listening {
            listening.cancel();
        }
        self.clients.close(how);
        poll_fn(|cx| {
            let mut list = lock(&self.clients.list);
            if list.links.is_empty() {
                return std::task::Poll::Ready(());
            }
            list.waiting.push(cx.waker().clone());
            std::task::Poll::Pending
        })
        .await;
        if let Some(listening) = listening {
            listening.stop().await;
        }
    }
}

impl Drop for RpcServer {
    fn drop(&mut self) {
        if self.listening.take().is_some() {
            self.clients.close(Close::AfterAnswers { within: self.drain });
        }
    }
}

impl fmt::Debug for RpcServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RpcServer").field(&self.address).finish()
    }
}
