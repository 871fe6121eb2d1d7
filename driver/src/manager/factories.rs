//! The factories of a manager.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt::{self, Display};
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::host::BoxFuture;
use crate::later::failure;
use crate::local_dispatch::LOCAL;
use crate::service::Agent;
use crate::{AgentRef, Container, Context, Proxy};
use aiomas_core::agent::AgentUrl;
use aiomas_core::rpc::function::{Function, FunctionIn, Plain};
use aiomas_core::rpc::{Outcome, Request, Service, ServiceDict, encode_call};
use aiomas_core::wire::Printable;
use aiomas_core::wire::{Codec, Payload, RemoteError, Value};

/// The factories of a [`Manager`](super::Manager), by name.
///
/// Programs in Python ask for `module:Class` or `module:Class.factory`. A factory may have such a name or any other:
/// the name is looked up, and never parsed.
///
/// ```
/// use aiomas::manager::Factories;
/// use aiomas::agent;
/// use aiomas_core::wire::RemoteError;
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

/// Calls a factory, and starts its agent, which may take some time.
pub(super) type Birth = Box<dyn FnOnce(Context) -> BoxFuture<Result<Born, RemoteError>> + Send>;

/// An agent of the manager's container.
pub(super) type Born = (Proxy, AgentUrl);

/// The result of a factory: an [`Agent`], which is then [spawned](Container::spawn_started); an [`AgentRef`], if the
/// factory has spawned it; or a `Result` of one of these, whose error the caller receives.
pub trait IntoAgent<Kind> {
    /// The type of the agent.
    type Agent: Agent;

    /// Returns the agent once it runs in the container, or the error.
    ///
    /// # Errors
    /// The error of the factory, of `#[on_start]`, or of the container.
    fn settle(
        self,
        container: Container,
    ) -> impl Future<Output = Result<AgentRef<Self::Agent>, RemoteError>> + Send;
}

/// Marks a factory that has spawned its agent itself.
#[derive(Debug)]
pub enum Spawned {}

/// Marks a factory that returns a `Result`.
#[derive(Debug)]
pub struct Attempted<Kind>(Infallible, PhantomData<Kind>);

impl<A: Agent + Send> IntoAgent<Plain> for A {
    type Agent = A;

    async fn settle(self, container: Container) -> Result<AgentRef<A>, RemoteError> {
        Ok(container.spawn_started(self).await?)
    }
}

impl<A: Agent> IntoAgent<Spawned> for AgentRef<A> {
    type Agent = A;

    async fn settle(self, container: Container) -> Result<Self, RemoteError> {
        // As a reference, it would stand for the agent with the same number in this container.
        if self.container() != &container {
            let text =
                format!("the factory has made {self}, which is not in the manager's container");
            return Err(RemoteError::new("RuntimeError", text));
        }
        Ok(self)
    }
}

impl<K, A, E> IntoAgent<Attempted<K>> for Result<A, E>
where
    A: IntoAgent<K> + Send,
    E: Display + Send + 'static,
{
    type Agent = A::Agent;

    async fn settle(self, container: Container) -> Result<AgentRef<A::Agent>, RemoteError> {
        self.map_err(failure)?.settle(container).await
    }
}

impl Factories {
    /// Returns an empty set of factories.
    #[must_use]
    pub fn new() -> Self {
        Self { dict: ServiceDict::new("Factories"), names: BTreeSet::new() }
    }

    /// Adds a factory: a function with typed parameters, which callers know by the names `parameters`. `Option`
    /// parameters may be omitted. A previous factory called `name` is replaced.
    ///
    /// The manager answers when the agent's `#[on_start]` has ended, or with its error. The agent learns its container
    /// from the [`Context`] of a call or of its `#[on_start]`.
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
            Box::new(move |context| Box::pin(async move { bear(made, &context).await }))
        })
    }

    /// Adds an async factory: an async function, or a closure that returns a future. See [`agent`](Self::agent).
    #[must_use]
    pub fn async_agent<const N: usize, P, K, F>(
        self,
        name: impl Into<String>,
        parameters: [&'static str; N],
        factory: F,
    ) -> Self
    where
        F: Function<N, P> + Send + Sync + 'static,
        F::Output: Future<Output: IntoAgent<K> + Send> + Send + 'static,
    {
        self.add(name, parameters, factory, |making| {
            Box::new(move |context| Box::pin(async move { bear(making.await, &context).await }))
        })
    }

    /// Adds a factory that takes the call's [`Context`] first, and so has the container. See [`agent`](Self::agent).
    #[must_use]
    pub fn agent_in<const N: usize, P, K, F>(
        self,
        name: impl Into<String>,
        parameters: [&'static str; N],
        factory: F,
    ) -> Self
    where
        P: Send + 'static,
        F: FunctionIn<Context, N, P> + Send + Sync + 'static,
        F::Output: IntoAgent<K> + Send + 'static,
    {
        self.add_in(name, parameters, factory, |made, context| {
            Box::pin(async move { bear(made, &context).await })
        })
    }

    /// Adds an async factory that takes the call's [`Context`] first. It can prepare the agent before the manager
    /// answers, for example register it elsewhere:
    ///
    /// ```
    /// use aiomas::manager::Factories;
    /// use aiomas::{Context, Error, Proxy, agent};
    ///
    /// struct Meter {
    ///     volts: f64,
    /// }
    ///
    /// #[agent]
    /// impl Meter {}
    ///
    /// let factories = Factories::new().async_agent_in(
    ///     "Meter",
    ///     ["volts"],
    ///     async |context: Context, volts: f64| {
    ///         let container = context.container()?;
    ///         let register: Proxy = container.connect("tcp://localhost:5555/0").await?;
    ///         let meter = container.spawn_started(Meter { volts }).await?;
    ///         if let Err(error) = register.call("add").arg(&meter).send::<()>().await {
    ///             meter.remove();
    ///             return Err(error);
    ///         }
    ///         Ok::<_, Error>(meter)
    ///     },
    /// );
    /// ```
    #[must_use]
    pub fn async_agent_in<const N: usize, P, K, F>(
        self,
        name: impl Into<String>,
        parameters: [&'static str; N],
        factory: F,
    ) -> Self
    where
        P: Send + 'static,
        F: FunctionIn<Context, N, P> + Send + Sync + 'static,
        F::Output: Future<Output: IntoAgent<K> + Send> + Send + 'static,
    {
        self.add_in(name, parameters, factory, |making, context| {
            Box::pin(async move { bear(making.await, &context).await })
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

    fn add_in<const N: usize, P, F>(
        mut self,
        name: impl Into<String>,
        parameters: [&'static str; N],
        factory: F,
        bear: fn(F::Output, Context) -> BoxFuture<Result<Born, RemoteError>>,
    ) -> Self
    where
        P: Send + 'static,
        F: FunctionIn<Context, N, P> + Send + Sync + 'static,
    {
        let (name, factory) = (name.into(), Arc::new(factory));
        self.names.insert(name.clone());
        let dict = self.dict.function_in(name, parameters, factory, move |factory, arguments| {
            let factory = factory.clone();
            let birth: Birth =
                Box::new(move |context| bear(factory.call(context.clone(), arguments), context));
            Outcome::Later(birth)
        });
        Self { dict, ..self }
    }

    /// Binds the arguments of a request to a factory.
    pub(super) fn find(
        &self,
        name: &str,
        args: &[Value],
        kwargs: &BTreeMap<String, Value>,
        context: &Context,
    ) -> Result<Birth, RemoteError> {
        // Encoded as a call of its own, so that arguments are bound as everywhere else.
        let format = context.codec().map_or(LOCAL, Codec::format);
        let (codec_context, mut content) = (context.codec_context(), Vec::new());
        encode_call(format, codec_context, "", args, kwargs, &mut content)
            .map_err(RemoteError::serialization)?;
        let content = Payload::new(format, content.into(), codec_context.clone());
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

async fn bear<K>(made: impl IntoAgent<K>, context: &Context) -> Result<Born, RemoteError> {
    let agent = made.settle(context.container()?).await?;
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
