//! The types registered on a connection, its decoding limits, and the context made of both.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use scoped_tls::scoped_thread_local;

use super::CodecError;

/// The types of the typed values on a connection, in registration order.
///
/// Typed values travel as `{"__type__": [id, data]}`; as in aiomas, the id is the position of the type in this list.
/// Both sides need the same types in the same order. In containers the order is [`DATE`](Self::DATE), the user's types,
/// [`PROXY`](Self::PROXY); in RPC the user's types, then `PROXY`; on plain channels only the user's types.
///
/// ```
/// use aiomas_core::wire::Types;
///
/// let types = Types::new(["point", "mode"]);
/// assert_eq!(types.for_rpc().id("point"), Some(0));
/// assert_eq!(types.for_container().id("point"), Some(1)); // after `Types::DATE`
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Types(Arc<[Box<str>]>);

impl Types {
    /// The name of dates (aiomas' arrow serializer).
    pub const DATE: &str = "date";
    /// The name of references to services (aiomas' proxies).
    pub const PROXY: &str = "proxy";

    /// Registers `names` in this order. A repeated name keeps its first position.
    pub fn new<N: Into<Box<str>>>(names: impl IntoIterator<Item = N>) -> Self {
        let mut list: Vec<Box<str>> = Vec::new();
        for name in names {
            let name = name.into();
            if !list.contains(&name) {
                list.push(name);
            }
        }
        Self(list.into())
    }

    /// Returns the types of an RPC connection: the user's types, then proxies.
    #[must_use]
    pub fn for_rpc(&self) -> Self {
        Self::new(self.names().chain([Self::PROXY]))
    }

    /// Returns the types of a container: dates, the user's types, then proxies.
    #[must_use]
    pub fn for_container(&self) -> Self {
        Self::new([Self::DATE].into_iter().chain(self.names()).chain([Self::PROXY]))
    }

    /// Returns the id of `name` on the wire.
    #[must_use]
    pub fn id(&self, name: &str) -> Option<u64> {
        self.0.iter().position(|n| **n == *name).map(|id| id as u64)
    }

    /// Returns the name registered as `id`.
    #[must_use]
    pub fn name(&self, id: u64) -> Option<&str> {
        self.0.get(usize::try_from(id).ok()?).map(|n| &**n)
    }

    /// Returns the names in registration order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|n| &**n)
    }
}

impl fmt::Debug for Types {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// Limits of the content of one message.
///
/// They also hold where it is decoded into the user's own types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Budget {
    /// The maximum nesting of arrays and maps, in levels.
    pub depth: u32,
    /// The maximum number of values in a message, including keys.
    ///
    /// An array counts 3 and a map 9, in addition to their content. With these weights, each counted value takes at
    /// most 64 bytes in a decoded [`Value`](super::Value) or `serde_json::Value`.
    pub nodes: u32,
    /// The maximum length in bytes of the path of a function or service.
    pub path: u32,
}

impl Budget {
    #[doc(hidden)]
    pub const DEFAULT: Self = Self::new(128, 1 << 21);

    /// Creates a budget of `depth` levels, `nodes` values and paths of 4,096 bytes.
    #[must_use]
    pub const fn new(depth: u32, nodes: u32) -> Self {
        Self { depth, nodes, path: 4096 }
    }

    /// Checks that a path may have `length` bytes.
    ///
    /// # Errors
    /// Returns [`CodecError::PathTooLong`].
    #[inline]
    pub(crate) const fn check_path(self, length: usize) -> Result<(), CodecError> {
        if length > self.path as usize {
            return Err(CodecError::PathTooLong { length, limit: self.path });
        }
        Ok(())
    }
}

impl Default for Budget {
    /// Returns a budget of 128 levels, 2,097,152 values, and paths of 4,096 bytes.
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The context of encoding and decoding: the [`Types`] and the [`Budget`] of a connection.
///
/// A context is cheap to clone. While a value is encoded or decoded, its context is the [current](Self::current) one of
/// the thread. A date or a reference to a service, which is a plain serde value anywhere inside an argument, finds its
/// id there.
#[derive(Clone)]
pub struct CodecContext(Arc<CodecContextInner>);

struct CodecContextInner {
    types: Types,
    budget: Budget,
    peer_context: Option<Arc<dyn Any + Send + Sync>>,
    /// `true` if only their own types may write references to services.
    guarded: bool,
}

// Between the codec and such a value lies the program's own code, which passes no argument of ours on.
scoped_thread_local! {
    static CURRENT: CodecContext
}

impl CodecContext {
    /// Creates a context of `types`, with the limits of `budget` for decoding.
    #[must_use]
    pub fn new(types: Types, budget: Budget) -> Self {
        Self(Arc::new(CodecContextInner { types, budget, peer_context: None, guarded: false }))
    }

    fn inner(&self) -> CodecContextInner {
        let CodecContextInner { types, budget, peer_context, guarded } = &*self.0;
        CodecContextInner {
            types: types.clone(),
            budget: *budget,
            peer_context: peer_context.clone(),
            guarded: *guarded,
        }
    }

    /// Returns the same context with a handle of the peer that its values come from.
    ///
    /// The driver stores the connection here, so that decoded proxies know where to call.
    #[must_use]
    pub fn with_peer(&self, peer_context: Arc<dyn Any + Send + Sync>) -> Self {
        Self(Arc::new(CodecContextInner { peer_context: Some(peer_context), ..self.inner() }))
    }

    /// Returns the same context with other types.
    #[must_use]
    pub fn with_types(&self, types: Types) -> Self {
        Self(Arc::new(CodecContextInner { types, ..self.inner() }))
    }

    /// Returns the same context, guarded or not.
    ///
    /// In a guarded context, as connections use it, only its own type can write a reference to a service. A
    /// [`Value`](super::Value) or a map that holds a peer's reference cannot: the receiver would take it for a service
    /// of this side.
    #[must_use]
    #[doc(hidden)]
    pub fn guarded(&self, guarded: bool) -> Self {
        Self(Arc::new(CodecContextInner { guarded, ..self.inner() }))
    }

    pub(super) fn is_guarded(&self) -> bool {
        self.0.guarded
    }

    /// Returns the registered types.
    #[must_use]
    pub fn types(&self) -> &Types {
        &self.0.types
    }

    /// Returns the limits.
    #[must_use]
    pub fn budget(&self) -> Budget {
        self.0.budget
    }

    /// Returns the handle given to [`with_peer`](Self::with_peer).
    #[must_use]
    pub fn peer_context(&self) -> Option<&Arc<dyn Any + Send + Sync>> {
        self.0.peer_context.as_ref()
    }

    /// Runs `f` with this context as the current one of the thread.
    #[inline]
    pub fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        CURRENT.set(self, f)
    }

    /// Returns the context in which this thread is encoding or decoding a value.
    #[must_use]
    pub fn current() -> Option<Self> {
        Self::with_current(|codec_context| Some(codec_context.clone()))
    }

    /// Calls `f` with the current context, if there is one, and returns its result.
    #[doc(hidden)]
    pub fn with_current<R>(f: impl FnOnce(&Self) -> Option<R>) -> Option<R> {
        if CURRENT.is_set() { CURRENT.with(f) } else { None }
    }
}

impl Default for CodecContext {
    /// Returns a context without types, with the default budget.
    fn default() -> Self {
        Self::new(Types::default(), Budget::default())
    }
}

impl fmt::Debug for CodecContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CodecContext")
            .field("types", self.types())
            .field("budget", &self.budget())
            .finish_non_exhaustive()
    }
}
