//! Proxies: remote services as values to call, to keep and to pass on.

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

/// A remote service: an agent, the root service of a peer, or a reference that a peer sent (aiomas' `Proxy`).
///
/// Call it by name, as here, or wrap it in a typed proxy such as `#[agent]` writes: `connect` and its relatives return
/// any type made from a `Proxy`.
///
/// ```no_run
/// # async fn example(remote: aiomas::Proxy) -> Result<(), aiomas::Error> {
/// let sum: i64 = remote.get("math").call("add").arg(3).kwarg("b", 4).send().await?;
/// # Ok(())
/// # }
/// ```
///
/// Two proxies are equal if they call the same service over the same connection. A proxy works as long as its
/// connection lasts, or longer if the connection [reconnects](crate::reconnect).
///
/// As an argument or a result, a proxy of an agent is a reference, which the receiver calls back over the same
/// connection. As in aiomas, only own services can be sent this way: an agent of the sending container, or a
/// [`ServiceRef`]. For any other agent, send its URL.
#[derive(Clone)]
pub struct Proxy {
    target: Target,
    /// The path from the root service: `agents/0`, or empty.
    path: Arc<str>,
    /// The URL of the agent, if the proxy was connected by URL.
    url: Option<Arc<AgentUrl>>,
    options: CallOptions,
    /// Allows lost calls to be made again.
    idempotent: bool,
}

#[derive(Clone)]
enum Target {
    /// A service of the peer.
    Remote(AnyConnection),
    /// An agent of the same container.
    Local(Weak<dyn LocalDispatch>),
    /// One of our own services: it can be sent, but not called.
    Own,
    /// Decoded outside a connection, or its connection is gone.
    Nowhere,
}

impl Proxy {
    fn new(target: Target, path: Arc<str>) -> Self {
        Self { target, path, url: None, options: CallOptions::default(), idempotent: false }
    }

    /// Returns the root service of the peer on `connection`.
    pub(super) fn of_root(connection: AnyConnection) -> Self {
        Self::new(Target::Remote(connection), "".into())
    }

    /// Returns an agent of the peer container on `connection`.
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

    /// Returns the service `name` within this one; `name` may be a path. A missing service shows only when it is
    /// called.
    #[must_use]
    pub fn get(&self, name: &str) -> Self {
        let path =
            if self.path.is_empty() { name.into() } else { [&self.path, "/", name].concat() };
        Self { path: path.into(), url: None, ..self.clone() }
    }

    /// Returns the same service with a call timeout, after which calls end with [`Error::TimedOut`]. If both sides have
    /// agreed on that, the callee sees the time left ([`Context::time_left`](crate::Context::time_left)), and ends as
    /// well.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { options: CallOptions::timeout(timeout), ..self.clone() }
    }

    /// Returns the same service, with its calls marked as idempotent: safe to run more than once. Over a [reconnecting
    /// connection](crate::reconnect), lost calls are made again until their timeout or, without one, as long as the
    /// connection [dials](crate::reconnect::RetryPolicy::limit). A proxy that does not reconnect behaves as before.
    #[must_use]
    pub fn idempotent(&self) -> Self {
        Self { idempotent: true, ..self.clone() }
    }

    /// Returns the reconnecting connection of the proxy, if it has one.
    #[must_use]
    pub fn reconnecting(&self) -> Option<ReconnectingConnection> {
        match &self.target {
            Target::Remote(AnyConnection::Reconnecting(reconnecting)) => {
                Some(ReconnectingConnection::new(Arc::downgrade(reconnecting)))
            }
            _ => None,
        }
    }

    /// Prepares a call of `method`. Arguments are added one by one.
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

    /// Returns the path of the service, from the root service of its side.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the URL of the agent, if the proxy was connected by URL.
    #[must_use]
    pub fn url(&self) -> Option<&AgentUrl> {
        self.url.as_deref()
    }

    /// Returns whether the connection is open and not closing. If not, calls fail unless the proxy
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
    /// The errors of the formatter.
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
    /// Returns the host whose clock times the calls, and the callee's address.
    fn callee(&self) -> Option<Callee> {
        match self {
            Self::Remote(connection) => connection
                .with(|connection| Some((connection.host(), connection.caller().address.clone()))),
            Self::Local(container) => Some((container.upgrade()?.host(), Some("local".into()))),
            Self::Own | Self::Nowhere => None,
        }
    }

    /// Returns a key that identifies the target.
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

/// Wraps one of our own services, to send it to a peer.
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

/// A call under construction.
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

    /// Ends the call with [`Error::TimedOut`] after `timeout`.
    pub fn with_timeout(self, timeout: Duration) -> Self {
        Self { proxy: self.proxy.with_timeout(timeout), ..self }
    }

    /// Makes the call. If an argument cannot be encoded, the call resolves to that error.
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
