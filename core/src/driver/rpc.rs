//! Remote procedure calls, in both directions (aiomas' `rpc`).

use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use super::accept::accept;
use super::cancel::Canceller;
use super::later::{Answer, Later, SharedService, guarded, undisturbed};
use super::line::{self, Dials, Reconnect};
use super::link::{Handler, Link, LinkUser};
use super::lock::lock;
use super::options::{self, Settings};
use super::runtime::Runtime;
use super::service::IntoService;
use super::stream::Stream;
use super::trace;
use super::wakers::{Awaited, Registration, WakerSet};
use super::{Connections, Error, Peer, Proxy};
use crate::agent::{Address, Patience};
use crate::connection::{Admission, AdmissionStats, Close, CloseReason, ReplyToken, Request, Side};
use crate::rpc::{self, Outcome, ServiceDict};
use crate::wire::{RemoteError, Types};

type OnDisconnect = Arc<dyn Fn(&Peer, &CloseReason) + Send + Sync>;

/// What RPC clients and servers are made with, beside what all layers have.
#[derive(Clone, Default)]
pub struct Services {
    root: Option<SharedService>,
    on_connect: Option<Arc<dyn Fn(RpcClient) + Send + Sync>>,
    on_disconnect: Option<OnDisconnect>,
    reconnect: Option<Reconnect>,
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

    /// What a server does when a client's connection is gone. It must not block.
    pub fn on_disconnect(
        mut self,
        f: impl Fn(&Peer, &CloseReason) + Send + Sync + 'static,
    ) -> Self {
        self.layer.on_disconnect = Some(Arc::new(f));
        self
    }

    /// Lets a client outlive its connection: see [`line`](mod@crate::driver::line). When a call finds that lost,
    /// `address` is dialled again, and the root service of this side is there again, too. A `Duration` says for how long
    /// that is tried, a [`Reconnect`] in which rhythm as well.
    ///
    /// ```no_run
    /// # async fn example<R: aiomas_core::driver::Runtime>(runtime: R) -> Result<(), aiomas_core::Error> {
    /// use std::time::Duration;
    /// use aiomas_core::driver;
    ///
    /// let within = Duration::from_secs(30);
    /// let client = driver::rpc::builder(runtime).reconnect(within).connect("tcp://localhost:5555").await?;
    /// let sum: i64 = client.remote().idempotent().call("add").arg(3).arg(4).send().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn reconnect(mut self, reconnect: impl Into<Reconnect>) -> Self {
        self.layer.reconnect = Some(reconnect.into());
        self
    }

    /// For how long [`connect`](Self::connect) tries to open a stream: [`Patience::Once`] unless told otherwise, as with
    /// aiomas' `timeout`, and in its rhythm: after half a second, then half as long again each time, up to 30 s.
    pub const fn patience(mut self, patience: Patience) -> Self {
        self.patience = patience;
        self
    }

    /// Tries until this time has passed: [`Patience::Until`].
    pub const fn within(self, time: Duration) -> Self {
        self.patience(Patience::Until(time))
    }

    /// After which time an attempt of [`connect`](Self::connect) to open a stream has failed, with all addresses of the
    /// host and TLS: 10 s unless told otherwise; at least 1 ms. A client that comes back has
    /// [`Reconnect::dial_timeout`] for later attempts.
    pub const fn dial_timeout(mut self, time: Duration) -> Self {
        self.dial_timeout = time;
        self
    }

    /// Connects to whoever listens at `address`. For how long that is tried the first time is for
    /// [`patience`](Self::patience) to say.
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
        let (patience, dial_timeout) = (self.patience, self.dial_timeout);
        let (settings, layer) = self.settle(Types::for_rpc);
        let handler = Arc::new(ServiceHandler::new(layer.root));
        let reconnect = layer.reconnect.clone().unwrap_or_default();
        let dials = Dials { settings, address, handler, reconnect };
        let link = dials.dial(patience, dial_timeout).await?;
        let Some(reconnect) = layer.reconnect else {
            return Ok(RpcClient(Way::Link(link)));
        };
        let host = dials.settings.host.clone();
        let limit = dials.settings.config.limits.max_calls_out;
        Ok(RpcClient(Way::Line(line::Shared::new(host, link, dials, &reconnect, limit))))
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
        let Services { root, on_connect, on_disconnect, .. } = layer;
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
                        let client = RpcClient(Way::Link(LinkUser::new(link)));
                        undisturbed(|| on_connect(client));
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
        let Request { token, content, deadline, .. } = request;
        let caller = link.caller_until(deadline);
        let outcome = match rpc::Request::parse(&content) {
            Ok(call) => {
                let (root, rpc::Request { path, arguments, .. }) = (&*self.root, &call);
                let run = || guarded(|| rpc::dispatch(root, path, arguments, &caller));
                trace::request(|| link.host(), &caller, trace::Id::of(&token), path, run)
            }
            Err(error) => {
                trace::malformed(|| link.host(), &caller, &error);
                Outcome::from(RemoteError::from(error))
            }
        };
        link.settle(token, outcome)
    }

    fn closed(&self, link: &Arc<Link>, reason: &CloseReason) {
        if let Some(clients) = &self.clients {
            clients.closed(link, reason);
        }
    }
}

/// The clients of a server.
#[derive(Default)]
struct Clients {
    list: Mutex<List>,
    /// The tasks that wait for the connections to be closed.
    wakers: WakerSet,
    on_disconnect: Option<OnDisconnect>,
}

#[derive(Default)]
struct List {
    links: BTreeMap<u64, Arc<Link>>,
    /// Counts of those that are gone.
    gone: Connections,
    last: u64,
    ended: bool,
}

impl Awaited for Clients {
    fn wakers(&self) -> &WakerSet {
        &self.wakers
    }
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

    fn closed(&self, link: &Arc<Link>, reason: &CloseReason) {
        let stats = link.stats();
        {
            let mut list = lock(&self.list);
            list.gone.end(reason, stats);
            list.links.remove(&link.caller().connection);
        }
        self.wakers.wake();
        if let Some(on_disconnect) = &self.on_disconnect {
            undisturbed(|| on_disconnect(&Peer::of_link(link.clone()), reason));
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
pub struct RpcClient(Way);

#[derive(Clone)]
enum Way {
    Link(LinkUser),
    /// One connection at a time, to the same peer.
    Line(Arc<line::Shared>),
}

impl RpcClient {
    /// The root service of the other side.
    #[must_use]
    pub fn remote(&self) -> Proxy {
        match &self.0 {
            Way::Link(link) => Proxy::of_link(Arc::clone(link), ""),
            Way::Line(line) => Proxy::of_line(line.clone(), None),
        }
    }

    /// The root service of the other side, as a typed proxy.
    #[must_use]
    pub fn remote_as<P: From<Proxy>>(&self) -> P {
        self.remote().into()
    }

    /// The present connection, or the last one.
    fn link(&self) -> Arc<Link> {
        match &self.0 {
            Way::Link(link) => Arc::clone(link),
            Way::Line(line) => line.link(),
        }
    }

    /// The other side, and how the connection to it is; the present one, or the last, if it reconnects.
    #[must_use]
    pub fn peer(&self) -> Peer {
        Peer::of_link(self.link())
    }

    /// Closes the connection once what has been called is answered, within ten seconds (see [`Builder::drain`]).
    /// A client that reconnects does not do so any more; calls that wait for a connection are refused.
    pub fn close(&self) {
        self.close_with(Close::AfterAnswers { within: self.link().drain() });
    }

    /// As [`close`](Self::close), with a choice of what becomes of calls that have not been answered.
    pub fn close_with(&self, how: Close) {
        match &self.0 {
            Way::Link(link) => link.close(how),
            Way::Line(line) => line.close(how),
        }
    }

    /// Waits until the connection, or the present one, is closed, and tells why. What a client that reconnects is
    /// doing, its [line](Proxy::line) tells.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn closed(&self) -> CloseReason {
        self.link().closed().await
    }
}

impl fmt::Debug for RpcClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RpcClient").field("peer", &self.link().peer()).finish_non_exhaustive()
    }
}

/// Serves whoever connects, until it is dropped or shut down.
///
/// It tells who comes ([`on_connect`](Builder::on_connect)) and goes ([`on_disconnect`](Builder::on_disconnect)), and
/// lists who is there: [`clients`](Self::clients) are to be called, [`peers`](Self::peers) to be looked at and closed.
/// Who may call what is for [`authorize`](crate::rpc::authorize) to say, around the root service or one within it.
///
/// ```no_run
/// # fn example(server: &aiomas_core::RpcServer) {
/// for peer in server.peers() {
///     let (who, state) = (peer.certificate().map(|certificate| &*certificate.subject), peer.state());
///     println!("{} {who:?}: {} calls, in {:?}", peer.id(), state.calls_in, state.codec);
///     if who != Some("CN=house") {
///         peer.close();
///     }
/// }
/// # }
/// ```
#[must_use = "a server that is dropped serves nobody"]
pub struct RpcServer {
    address: Address,
    clients: Arc<Clients>,
    admission: Arc<Mutex<Admission>>,
    listening: Option<Canceller>,
    drain: Duration,
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
        list.links.values().map(|link| RpcClient(Way::Link(LinkUser::new(link.clone())))).collect()
    }

    /// Who is connected: the same, to look at and to close without becoming a client of theirs.
    #[must_use]
    pub fn peers(&self) -> Vec<Peer> {
        let list = lock(&self.clients.list);
        list.links.values().cloned().map(Peer::of_link).collect()
    }

    /// Counts of all connections: calls under way, calls and bytes so far.
    #[must_use]
    pub fn stats(&self) -> Connections {
        let (gone, links) = {
            let list = lock(&self.clients.list);
            (list.gone, list.links.values().cloned().collect::<Vec<_>>())
        };
        gone.with(&links)
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
        self.shutdown_with(Close::AfterAnswers { within }).await;
    }

    /// As [`shutdown`](Self::shutdown), with a choice of what becomes of calls that have not been answered.
    ///
    /// # Cancel safety
    /// As [`shutdown`](Self::shutdown).
    pub async fn shutdown_with(mut self, how: Close) {
        let listening = self.listening.take();
        if let Some(listening) = &listening {
            listening.cancel();
        }
        self.clients.close(how);
        let clients = &*self.clients;
        let mut waiting = Registration::new(clients);
        poll_fn(|cx| {
            waiting.register(cx);
            if lock(&clients.list).links.is_empty() { Poll::Ready(()) } else { Poll::Pending }
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
