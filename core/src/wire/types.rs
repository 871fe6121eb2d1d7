//! What a connection knows about values: the types registered on it, and how much it will decode.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use scoped_tls::scoped_thread_local;

use super::CodecError;

/// The types that travel as `{"__type__": [id, data]}` on a connection, in registration order: the
/// position is the id on the wire, as in aiomas.
///
/// Both sides need the same types in the same order. In containers the order is
/// [`DATE`](Self::DATE), the user's types, [`PROXY`](Self::PROXY); in RPC the user's types, then
/// `PROXY`; on plain channels just the user's types.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Types(Arc<[Box<str>]>);

impl Types {
    /// The name of dates (aiomas' arrow serializer).
    pub const DATE: &str = "date";
    /// The name of references to services (aiomas' proxies).
    pub const PROXY: &str = "proxy";

    /// Registers `names` in this order. A name that comes twice keeps its first position.
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

    /// The list of an RPC connection: the user's types, then proxies.
    #[must_use]
    pub fn for_rpc(&self) -> Self {
        Self::new(self.names().chain([Self::PROXY]))
    }

    /// The list of a container: dates, the user's types, then proxies.
    #[must_use]
    pub fn for_container(&self) -> Self {
        Self::new([Self::DATE].into_iter().chain(self.names()).chain([Self::PROXY]))
    }

    /// The id of `name` on the wire.
    #[must_use]
    pub fn id(&self, name: &str) -> Option<u64> {
        self.0.iter().position(|n| **n == *name).map(|id| id as u64)
    }

    /// The name that is registered as `id`.
    #[must_use]
    pub fn name(&self, id: u64) -> Option<&str> {
        self.0.get(usize::try_from(id).ok()?).map(|n| &**n)
    }

    /// The names in registration order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|n| &**n)
    }
}

impl fmt::Debug for Types {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// How much one message may contain. It holds on every path, also into the user's own types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Budget {
    /// How deep arrays and maps may be nested in each other.
    pub depth: u32,
    /// How many values, keys included, a message may have. An array counts 3, a map 9, beside what is in it: so weighed,
    /// each counts for up to 64 bytes of a decoded [`Value`](super::Value) or `serde_json::Value`.
    pub nodes: u32,
    /// How long the path of a function that is called, or of a service that is referred to, may be, in bytes.
    pub path: u32,
}

impl Budget {
    #[doc(hidden)]
    pub const DEFAULT: Self = Self::new(128, 1 << 21);

    /// A budget of `depth` levels and `nodes` values, with paths of up to 4,096 bytes.
    #[must_use]
    pub const fn new(depth: u32, nodes: u32) -> Self {
        Self { depth, nodes, path: 4096 }
    }

    /// Whether a path may have `length` bytes.
    ///
    /// # Errors
    /// [`CodecError::PathTooLong`].
    #[inline]
    pub(crate) const fn check_path(self, length: usize) -> Result<(), CodecError> {
        if length > self.path as usize {
            return Err(CodecError::PathTooLong { length, limit: self.path });
        }
        Ok(())
    }
}

impl Default for Budget {
    /// 128 levels, 2,097,152 values, paths of 4,096 bytes.
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What values are encoded and decoded against: the connection's [`Types`] and [`Budget`].
///
/// Cheap to clone. While a value is encoded or decoded, its scope is the thread's
/// [current](Self::current) one: that is how a date or a reference to a service, being a plain serde
/// value anywhere inside an argument, finds its id.
#[derive(Clone)]
pub struct CodecContext(Arc<CodecContextInner>);

struct CodecContextInner {
    types: Types,
    budget: Budget,
    peer_context: Option<Arc<dyn Any + Send + Sync>>,
    /// Whether references to services are written by their own types alone.
    guarded: bool,
}

// Between the codec and such a value lies the program's own code, which passes no argument of ours on.
scoped_thread_local! {
    static CURRENT: CodecContext
}

impl CodecContext {
    /// A scope of `types`, with limits to what is decoded.
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

    /// The same scope, with a handle of the connection's owner: what a value that is decoded in it
    /// came from. Drivers put the connection here so that proxies know where to call.
    #[must_use]
    pub fn with_peer(&self, peer_context: Arc<dyn Any + Send + Sync>) -> Self {
        Self(Arc::new(CodecContextInner { peer_context: Some(peer_context), ..self.inner() }))
    }

    /// The same scope with other types.
    #[must_use]
    pub fn with_types(&self, types: Types) -> Self {
        Self(Arc::new(CodecContextInner { types, ..self.inner() }))
    }

    /// The scope of a connection: a reference to a service is written by its own type, and not by a
    /// [`Value`](super::Value) or a map that has kept one of a peer, for which it would become one to a service of ours.
    #[must_use]
    #[doc(hidden)]
    pub fn guarded(&self, guarded: bool) -> Self {
        Self(Arc::new(CodecContextInner { guarded, ..self.inner() }))
    }

    pub(super) fn is_guarded(&self) -> bool {
        self.0.guarded
    }

    /// The registered types.
    #[must_use]
    pub fn types(&self) -> &Types {
        &self.0.types
    }

    /// The limits.
    #[must_use]
    pub fn budget(&self) -> Budget {
        self.0.budget
    }

    /// The handle given to [`with_peer`](Self::with_peer).
    #[must_use]
    pub fn peer_context(&self) -> Option<&Arc<dyn Any + Send + Sync>> {
        self.0.peer_context.as_ref()
    }

    /// Runs `f` with this scope as the thread's current one.
    #[inline]
    pub fn enter<R>(&self, f: impl FnOnce() -> R) -> R {
        CURRENT.set(self, f)
    }

    /// The scope in which a value is being encoded or decoded on this thread.
    #[must_use]
    pub fn current() -> Option<Self> {
        Self::with_current(|codec_context| Some(codec_context.clone()))
    }

    /// What `f` finds in the current scope.
    #[doc(hidden)]
    pub fn with_current<R>(f: impl FnOnce(&Self) -> Option<R>) -> Option<R> {
        if CURRENT.is_set() { CURRENT.with(f) } else { None }
    }
}

impl Default for CodecContext {
    /// No types, the default budget.
    fn default() -> Self {
        Self::new(Types::default(), Budget::default())
    }
}

impl fmt::Debug for CodecContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("types", self.types())
            .field("budget", &self.budget())
            .finish_non_exhaustive()
    }
}
