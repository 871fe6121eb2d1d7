//! Services elsewhere, as values to call, to keep and to pass on.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::any_connection::AnyConnection;
use super::connection::{ConnectionRef, append};
use super::host::Callee;
use super::local_dispatch::{LOCAL, LocalDispatch};
use super::peer_context::PeerContext;
use super::reconnect::ReconnectingConnection;
use super::reference;
use super::trace::{self, CallSpan};
use super::{Call, Error};
use aiomas_core::agent::AgentUrl;
use aiomas_core::connection::{CallOptions, CallRejected};
use aiomas_core::internal::root::agent_path;
use aiomas_core::rpc::{self, RemoteRef, ServiceRef, encode_call_in};
use aiomas_core::wire::{CodecContext, CodecError, Format, Printable};

/// A service elsewhere: an agent, the root service of a peer, or anything that a peer has sent a
/// reference to (aiomas' `Proxy`).
///
/// It can be called by name, as here, or be put into a typed proxy such as `#[agent]` writes: `connect`
/// and the like return whatever is made from a `Proxy`.
///
/// ```no_run
/// # async fn example(remote: aiomas::Proxy) -> Result<(), aiomas::Error> {
/// let sum: i64 = remote.get("math").call("add").arg(3).kwarg("b", 4).send().await?;
/// # Ok(())
/// # }
/// ```
///
/// Two proxies are equal if they call the same service over the same connection. One can be kept for as long
/// as its connection lasts, or longer if it [reconnects](crate::reconnect).
///
/// As an argument or a result, a proxy of an agent is a reference that the receiver calls back over the same connection.
/// As in aiomas, only own services can be sent so: an agent of the container that sends it, or a [`ServiceRef`]. For any
/// other agent, send its URL.
#[derive(Clone)]
pub struct Proxy {
    target: Target,
    /// From the root service: `agents/0`, or nothing.
    path: Arc<str>,
    /// The agent that it was connected to.
    url: Option<Arc<AgentUrl>>,
    options: CallOptions,
    /// Calls that are lost may be made again.
    idempotent: bool,
}

#[derive(Clone)]
enum Target {
    /// A service of the peer at the other end.
    Remote(AnyConnection),
    /// In the same container.
    Local(Weak<dyn LocalDispatch>),
    /// One of our own services: to be sent, not to be called.
    Own,
    /// It was decoded from something that no peer sent, or whose connection is gone.
    Nowhere,
}

impl Proxy {
    fn new(target: Target, path: Arc<str>) -> Self {
        Self { target, path, url: None, options: CallOptions::default(), idempotent: false }
    }

    /// The root service of the peer at the other end of `connection`.
    pub(super) fn of_root(connection: AnyConnection) -> Self {
        Self::new(Target::Remote(connection), "".into())
    }

    /// An agent of the container at the other end of `connection`.
    pub(super) fn of_agent(connection: AnyConnection, url: AgentUrl) -> Self {
        let path = agent_path(url.aid());
        Self { url: Some(url.into()), ..Self::new(Target::Remote(connection), path.into()) }
    }

    pub(super) fn of_local(container: Weak<dyn LocalDispatch>, url: AgentUrl) -> Self {
        let path = agent_path(url.aid());
        Self { url: Some(url.into()), ..Self::new(Target::Local(container), path.into()) }
    }

    pub(super) fn from_peer_context(
        peer_context: Option<&PeerContext>,
        path: impl Into<Arc<str>>,
    ) -> Self {
        let target = match peer_context {
            Some(PeerContext::Connection(connection)) => match connection.upgrade() {
                Some(connection) => {
                    Target::Remote(AnyConnection::Direct(ConnectionRef::received(connection)))
                }
                None => Target::Nowhere,
            },
            Some(PeerContext::LocalDispatch(local_dispatch)) => {
                Target::Local(local_dispatch.clone())
            }
            None => Target::Nowhere,
        };
        Self::new(target, path.into())
    }

    /// The service `name` in this one; `name` may be a path. Whether it is there, calls will tell.
    #[must_use]
    pub fn get(&self, name: &str) -> Self {
        let path =
            if self.path.is_empty() { name.into() } else { [&self.path, "/", name].concat() };
        Self { path: path.into(), url: None, ..self.clone() }
    }

    /// The same service, whose calls end with [`Error::TimedOut`] after `timeout`. The callee sees how much of it is
    /// left ([`Context::time_left`](crate::Context::time_left)) if both sides have agreed on that, and ends as well.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { options: CallOptions::timeout(timeout), ..self.clone() }
    }

    /// The same service, whose calls do no harm if they run more than once: over a
    /// [connection that reconnects](crate::reconnect), they are made again when they are lost, until their timeout, or, if
    /// they have none, as long as it [dials](crate::reconnect::RetryPolicy::limit). It makes no difference to a proxy that
    /// does not reconnect.
    #[must_use]
    pub fn idempotent(&self) -> Self {
        Self { idempotent: true, ..self.clone() }
    }

    /// What it is called over, if it reconnects.
    #[must_use]
    pub fn reconnecting(&self) -> Option<ReconnectingConnection> {
        match &self.target {
            Target::Remote(AnyConnection::Reconnecting(reconnecting)) => {
                Some(ReconnectingConnection::new(Arc::downgrade(reconnecting)))
            }
            _ => None,
        }
    }

    /// Prepares a call of `method`, whose arguments are added one by one.
    pub fn call(&self, method: &str) -> CallBuilder {
        let path = self.get(method).path;
        let call = match &self.target {
            Target::Remote(connection) => {
                connection.with(|to| rpc::Call::new(to.format(), to.codec_context(), &*path))
            }
            Target::Local(container) => match container.upgrade() {
                Some(container) => rpc::Call::new(LOCAL, container.codec_context(), &*path),
                None => rpc::Call::new(LOCAL, &CodecContext::default(), &*path),
            },
            Target::Own | Target::Nowhere => {
                rpc::Call::new(LOCAL, &CodecContext::default(), &*path)
            }
        };
        CallBuilder { proxy: self.clone(), call }
    }

    /// Calls `method`. `args` is a tuple or a sequence, `kwargs` a map or a struct; `()` stands for none.
    pub fn invoke<A, K, T>(&self, method: &str, args: &A, kwargs: &K) -> Call<T>
    where
        A: Serialize + ?Sized,
        K: Serialize + ?Sized,
    {
        let span = trace::call(&self.path, method, || self.target.callee());
        self.start(span, |format, codec_context, out| {
            encode_call_in(format, codec_context, &self.path, method, args, kwargs, out)
        })
    }

    #[inline]
    fn start<T>(
        &self,
        span: CallSpan,
        encode: impl Fn(Format, &CodecContext, &mut Vec<u8>) -> Result<(), CodecError>,
    ) -> Call<T> {
        span.within(|| self.make(encode)).traced(span)
    }

    #[inline]
    fn make<T>(
        &self,
        encode: impl Fn(Format, &CodecContext, &mut Vec<u8>) -> Result<(), CodecError>,
    ) -> Call<T> {
        match &self.target {
            Target::Remote(connection) => connection.call(self.options, self.idempotent, encode),
            Target::Local(container) => match container.upgrade() {
                Some(container) => Call::local(container.call(self.options, &encode)),
                None => self.no_target("its container is gone"),
            },
            Target::Own => self.no_target("it is one of our own"),
            Target::Nowhere => self.no_target("the connection that it came over is gone"),
        }
    }

    #[cold]
    fn no_target<T>(&self, why: &'static str) -> Call<T> {
        Call::failed(Error::NoTarget { path: (*self.path).into(), why })
    }

    /// The path of the service, from the root service of its side.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The URL of the agent, if it was connected to.
    #[must_use]
    pub fn url(&self) -> Option<&AgentUrl> {
        self.url.as_deref()
    }

    /// Whether the connection is there and not being closed. Otherwise, calls have no chance, unless the proxy
    /// [reconnects](Self::reconnecting).
    #[must_use]
    pub fn is_connected(&self) -> bool {
        match &self.target {
            Target::Remote(connection) => connection.with(|connection| connection.is_open()),
            Target::Local(container) => container.strong_count() > 0,
            Target::Own | Target::Nowhere => false,
        }
    }

    /// Writes `TestAgentProxy('tcp://localhost:5555/1')`.
    ///
    /// # Errors
    /// The formatter's.
    pub fn fmt_as(&self, type_name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(url) = &self.url {
            return write!(f, "{type_name}('{}')", Printable(url));
        }
        let path = Printable(&self.path);
        match &self.target {
            Target::Remote(connection) => connection.with(|connection| {
                let peer = connection.peer().unwrap_or("?");
                write!(f, "{type_name}('{}/{path}')", Printable(peer))
            }),
            Target::Local(_) | Target::Own => write!(f, "{type_name}('local/{path}')"),
            Target::Nowhere => write!(f, "{type_name}('?/{path}')"),
        }
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_as("Proxy", f)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fmt_as("Proxy", f)
    }
}

impl Target {
    /// Whose clock calls go by, and the callee's address.
    fn callee(&self) -> Option<Callee> {
        match self {
            Self::Remote(connection) => connection
                .with(|connection| Some((connection.host(), connection.caller().address.clone()))),
            Self::Local(container) => Some((container.upgrade()?.host(), Some("local".into()))),
            Self::Own | Self::Nowhere => None,
        }
    }

    /// What tells it from others.
    fn id(&self) -> (u8, usize) {
        match self {
            Self::Remote(connection) => (0, connection.id()),
            Self::Local(container) => (1, container.as_ptr().cast::<()>() as usize),
            Self::Own => (2, 0),
            Self::Nowhere => (3, 0),
        }
    }
}

impl PartialEq for Proxy {
    fn eq(&self, other: &Self) -> bool {
        self.target.id() == other.target.id() && self.path == other.path
    }
}

impl Eq for Proxy {}

impl Hash for Proxy {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.target.id().hash(state);
        self.path.hash(state);
    }
}

/// One of our own services, to be sent to a peer.
impl From<ServiceRef> for Proxy {
    fn from(service: ServiceRef) -> Self {
        Self::new(Target::Own, service.path().into())
    }
}

impl From<RemoteRef> for Proxy {
    fn from(reference: RemoteRef) -> Self {
        Self::from_peer_context(
            reference.peer_context().and_then(PeerContext::of_any),
            reference.path(),
        )
    }
}

impl<'de> Deserialize<'de> for Proxy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let reference = RemoteRef::deserialize(deserializer)?;
        if let Some(PeerContext::Connection(connection)) =
            reference.peer_context().and_then(PeerContext::of_any)
            && let Some(connection) = connection.upgrade()
        {
            connection.admits_reference().map_err(|error| D::Error::custom(error.raise()))?;
        }
        Ok(reference.into())
    }
}

impl Serialize for Proxy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.target {
            Target::Own => ServiceRef::new(&*self.path).serialize(serializer),
            Target::Local(container) => {
                reference::serialize(container, &self.path, self.url.as_deref(), serializer)
            }
            Target::Remote(_) | Target::Nowhere => Err(S::Error::custom(
                "a reference to a service of a peer cannot be sent on, only own services can; send its URL \
                 (`AgentUrl`), and let the other side connect",
            )),
        }
    }
}

/// A call that is being put together.
#[derive(Clone, Debug)]
#[must_use = "nothing is called until `send`"]
pub struct CallBuilder {
    proxy: Proxy,
    call: rpc::Call,
}

impl CallBuilder {
    /// Adds a positional argument.
    pub fn arg(self, value: impl Serialize) -> Self {
        Self { call: self.call.arg(value), ..self }
    }

    /// Adds a keyword argument.
    pub fn kwarg(self, name: &str, value: impl Serialize) -> Self {
        Self { call: self.call.kwarg(name, value), ..self }
    }

    /// Ends the call with [`Error::TimedOut`] after this long.
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { proxy: self.proxy.with_timeout(timeout), ..self }
    }

    /// Makes the call. An argument that cannot be encoded is its outcome.
    pub fn send<T: DeserializeOwned>(self) -> Call<T> {
        let span = trace::call("", self.call.path(), || self.proxy.target.callee());
        let body = match self.call.finish() {
            Ok(body) => body,
            Err(error) => return Call::failed(CallRejected::Codec(error).into()).traced(span),
        };
        // The codec may have changed since the arguments were encoded.
        self.proxy
            .start(span, |format, codec_context, out| append(&body, format, codec_context, out))
    }
}
