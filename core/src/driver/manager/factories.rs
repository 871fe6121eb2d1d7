//! What a manager can make.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display};
use std::future::{Future, ready};

use crate::agent::AgentUrl;
use crate::driver::home::LOCAL;
use crate::driver::host::BoxFuture;
use crate::driver::later::failure;
use crate::driver::service::Agent;
use crate::driver::{AgentRef, Container, Context, Proxy};
use crate::rpc::function::{Fallible, Function, Plain};
use crate::rpc::{Outcome, Request, Service, ServiceDict, encode_call};
use crate::wire::{Codec, Payload, Printable, RemoteError, Value};

/// What makes agents, by names: what a [`Manager`](super::Manager) knows.
///
/// Programs in Python ask for `module:Class` or `module:Class.factory`. A factory may be called like that,
/// or in any other way: the name is looked up, and never taken apart.
///
/// ```
/// use aiomas_core::driver::manager::Factories;
/// use aiomas_core::{agent, wire::RemoteError};
///
/// struct Meter {
///     volts: f64,
/// }
///
/// #[agent]
/// impl Meter {}
///
/// let factories = Factories::new()
///     .agent("grid.meters:Meter", ["volts"], |volts: Option<f64>| Meter {
///         volts: volts.unwrap_or(230.0),
///     })
///     .agent("grid.meters:Meter.parse", ["text"], |text: String| {
///         let volts = text.parse().map_err(RemoteError::value_error)?;
///         Ok::<_, RemoteError>(Meter { volts })
///     });
/// ```
pub struct Factories {
    dict: ServiceDict<Birth>,
    names: BTreeSet<String>,
}

/// Lets an agent live in a container, which may take some time.
pub(super) type Birth =
    Box<dyn FnOnce(Container) -> BoxFuture<Result<(Proxy, AgentUrl), RemoteError>> + Send>;

/// What a factory may return: an [`Agent`], or a `Result` of one, whose error the caller gets.
pub trait IntoAgent<Kind> {
    /// The agent.
    type Agent: Agent;

    /// The agent, or why there is none.
    ///
    /// # Errors
    /// The factory's own.
    fn into_agent(self) -> Result<Self::Agent, RemoteError>;
}

impl<A: Agent> IntoAgent<Plain> for A {
    type Agent = A;

    fn into_agent(self) -> Result<A, RemoteError> {
        Ok(self)
    }
}

impl<A: Agent, E: Display + 'static> IntoAgent<Fallible> for Result<A, E> {
    type Agent = A;

    fn into_agent(self) -> Result<A, RemoteError> {
        self.map_err(failure)
    }
}

impl Factories {
    /// None so far.
    #[must_use]
    pub fn new() -> Self {
        Self { dict: ServiceDict::new("Factories"), names: BTreeSet::new() }
    }

    /// Adds a factory: a function with typed parameters, which callers know by the names `parameters`. Those
    /// that are `Option`s may be left out. What was called `name` before is replaced.
    ///
    /// The agent gets to know its container when it is called, or in its `#[on_start]`: by its
    /// [`Context`].
    #[must_use]
    pub fn agent<const N: usize, P, K, F>(
        self,
        name: impl Into<String>,
        parameters: [&'static str; N],
        factory: F,
    ) -> Self
    where
        F: Function<N, P> + Send + Sync + 'static,
        F::Output: IntoAgent<K> + Send + 'static,
    {
        self.add(name, parameters, factory, |made| {
            Box::new(move |container| Box::pin(ready(bear(made, &container))))
        })
    }

    /// Adds a factory that is an async function, or a closure that returns a future. See
    /// [`agent`](Self::agent).
    #[must_use]
    pub fn async_agent<const N: usize, P, K, F>(
        self,
        name: impl Into<String>,
        parameters: [&'static str; N],
        factory: F,
    ) -> Self
    where
        F: Function<N, P> + Send + Sync + 'static,
        F::Output: Future<Output: IntoAgent<K>> + Send + 'static,
    {
        self.add(name, parameters, factory, |making| {
            Box::new(move |container| Box::pin(async move { bear(making.await, &container) }))
        })
    }

    fn add<const N: usize, P, F>(
        mut self,
        name: impl Into<String>,
        parameters: [&'static str; N],
        factory: F,
        birth: fn(F::Output) -> Birth,
    ) -> Self
    where
        F: Function<N, P, Output: 'static> + Send + Sync + 'static,
    {
        let name = name.into();
        self.names.insert(name.clone());
        let dict = self
            .dict
            .function_with(name, parameters, factory, move |made, _| Outcome::Later(birth(made)));
        Self { dict, ..self }
    }

    /// Calls a factory with the arguments that somebody has sent.
    pub(super) fn find(
        &self,
        name: &str,
        args: &[Value],
        kwargs: &BTreeMap<String, Value>,
        context: &Context,
    ) -> Result<Birth, RemoteError> {
        // As a call of its own, so that arguments are bound as everywhere.
        let notation = context.codec().map_or(LOCAL, Codec::notation);
        let (scope, mut content) = (context.scope(), Vec::new());
        encode_call(notation, scope, "", args, kwargs, &mut content)
            .map_err(RemoteError::serialization)?;
        let content = Payload::new(notation, content.into(), scope.clone());
        let request = Request::parse(&content)?;
        match self.dict.call(name, &request.arguments, context.caller()) {
            Outcome::Later(birth) => Ok(birth),
            Outcome::Done(Err(error)) => Err(error),
            Outcome::Done(Ok(_)) | Outcome::NotFound | Outcome::NotExposed => {
                Err(self.unknown(name))
            }
        }
    }

    #[cold]
    fn unknown(&self, name: &str) -> RemoteError {
        let known: Vec<_> = self.names.iter().map(|name| format!("\"{name}\"")).collect();
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let name = Printable(name);
        RemoteError::lookup(format_args!("no factory is called \"{name}\"; there are: {known}"))
    }
}

fn bear<K>(
    made: impl IntoAgent<K>,
    container: &Container,
) -> Result<(Proxy, AgentUrl), RemoteError> {
    let agent: AgentRef<_> = container.spawn(made.into_agent()?)?;
    Ok((agent.reference(), agent.url().clone()))
}

impl Default for Factories {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Factories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(&self.names).finish()
    }
}
