//! The interface of a type with exposed methods, which `#[service]` and `#[agent]` write.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use super::agent::AgentHandle;
use super::guard::{Exclusive, Shared};
use crate::Proxy;
use crate::later::{Answer, Later, SharedService};
use aiomas_core::rpc::{Arguments, Bound, Caller, Encoder, Signature};
use aiomas_core::wire::{CodecContext, RemoteError};

/// A type with exposed methods. Implemented by [`#[service]`](macro@crate::service) and
/// [`#[agent]`](macro@crate::agent).
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no exposed methods",
    note = "write `#[service]` or `#[agent]` above an `impl {Self}` block, and `#[expose]` above its methods"
)]
pub trait Interface: Sized + Send + Sync + 'static {
    /// The name of the type. Errors such as `"Root.hidden" is not exposed` contain it, and peers that look up an agent
    /// receive it.
    const TYPE_NAME: &'static str;

    /// The type of its proxies.
    type Proxy: From<Proxy>;

    /// Returns the method that callers know as `name`, which need not be UTF-8.
    fn method(name: &[u8]) -> Option<Method<Self>>;

    /// Returns the services within this one. Called once, when the value is served.
    fn services(&self) -> Vec<(&'static str, SharedService)> {
        Vec::new()
    }

    /// Returns the hook that runs before an agent's first call.
    fn on_start() -> Option<Method<Self>> {
        None
    }

    /// Returns the hook that runs after an agent's last call.
    fn on_stop() -> Option<Method<Self>> {
        None
    }
}

/// A method of `T`, with its kind of access.
pub enum Method<T: Interface> {
    /// `fn(&self)`: runs at any time.
    Shared(fn(&T, &Invocation<'_>) -> Answer),
    /// `fn(&mut self)`: runs alone.
    Exclusive(fn(&mut T, &Invocation<'_>) -> Answer),
    /// `async fn(&self)`: runs beside other shared calls.
    SharedAsync(fn(Shared<T>, &Invocation<'_>) -> Result<Later, RemoteError>),
    /// `async fn(&mut self)`: runs alone until it ends.
    ExclusiveAsync(fn(Exclusive<T>, &Invocation<'_>) -> Result<Later, RemoteError>),
    /// The method exists, but is not exposed.
    Hidden,
}

impl<T: Interface> Clone for Method<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: Interface> Copy for Method<T> {}

impl<T: Interface> fmt::Debug for Method<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shared(_) => "Shared",
            Self::Exclusive(_) => "Exclusive",
            Self::SharedAsync(_) => "SharedAsync",
            Self::ExclusiveAsync(_) => "ExclusiveAsync",
            Self::Hidden => "Hidden",
        })
    }
}

/// One call of a method: its arguments and its caller.
#[derive(Clone, Copy, Debug)]
pub struct Invocation<'a> {
    arguments: &'a Arguments<'a>,
    caller: &'a Caller,
    me: Option<&'a Arc<AgentHandle>>,
}

impl<'a> Invocation<'a> {
    pub(super) const fn new(
        arguments: &'a Arguments<'a>,
        caller: &'a Caller,
        me: Option<&'a Arc<AgentHandle>>,
    ) -> Self {
        Self { arguments, caller, me }
    }

    /// Binds the arguments to the parameters of a method, as Python does.
    ///
    /// # Errors
    /// A `TypeError` in Python's words.
    #[inline]
    pub fn bind(&self, signature: &Signature<'a>) -> Result<Bound<'a>, RemoteError> {
        self.arguments.bind(signature)
    }

    /// Encodes the result.
    ///
    /// # Errors
    /// A `SerializationError` if it cannot be encoded.
    #[inline]
    pub fn encode<T: Serialize + ?Sized>(&self, value: &T) -> Answer {
        self.arguments.encode(value)
    }

    /// Returns an encoder for a later result.
    #[must_use]
    pub fn encoder(&self) -> Encoder {
        self.arguments.encoder()
    }

    pub(crate) fn codec_context(&self) -> &'a CodecContext {
        self.arguments.codec_context()
    }

    pub(crate) const fn caller(&self) -> &'a Caller {
        self.caller
    }

    pub(crate) const fn me(&self) -> Option<&'a Arc<AgentHandle>> {
        self.me
    }
}

/// A value to serve: one with an [`Interface`], or a [`ServiceDict`](aiomas_core::rpc::ServiceDict).
pub trait IntoService {
    /// The type of its proxies.
    type Proxy: From<Proxy>;

    /// Converts the value into a service.
    fn into_service(self) -> SharedService;
}
