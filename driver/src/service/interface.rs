//! What a type with exposed methods tells about itself: what `#[service]` and `#[agent]` write.

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
    /// The name of the type: for errors such as `"Root.hidden" is not exposed`, and what a container answers
    /// to those who ask for an agent.
    const TYPE_NAME: &'static str;

    /// What calls these methods from afar.
    type Proxy: From<Proxy>;

    /// The method that callers know as `name`, which need not be UTF-8.
    fn method(name: &[u8]) -> Option<Method<Self>>;

    /// The services in this one. Asked for once, when the value is served.
    fn services(&self) -> Vec<(&'static str, SharedService)> {
        Vec::new()
    }

    /// What an agent does before it is called for the first time.
    fn on_start() -> Option<Method<Self>> {
        None
    }

    /// What an agent does after its last call.
    fn on_stop() -> Option<Method<Self>> {
        None
    }
}

/// A method of `T`, and how it has to be run.
pub enum Method<T: Interface> {
    /// `fn(&self)`: at any time.
    Shared(fn(&T, &Invocation<'_>) -> Answer),
    /// `fn(&mut self)`: alone.
    Exclusive(fn(&mut T, &Invocation<'_>) -> Answer),
    /// `async fn(&self)`: beside other shared ones.
    SharedAsync(fn(Shared<T>, &Invocation<'_>) -> Result<Later, RemoteError>),
    /// `async fn(&mut self)`: alone until it ends.
    ExclusiveAsync(fn(Exclusive<T>, &Invocation<'_>) -> Result<Later, RemoteError>),
    /// There is such a method, but it is not to be called from outside.
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

/// One call of a method: what it is called with, and by whom.
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

    /// Encodes a result that comes later.
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

/// Something to be served: a value with an [`Interface`], or a
/// [`ServiceDict`](aiomas_core::rpc::ServiceDict).
pub trait IntoService {
    /// What calls it from afar.
    type Proxy: From<Proxy>;

    /// The service.
    fn into_service(self) -> SharedService;
}
