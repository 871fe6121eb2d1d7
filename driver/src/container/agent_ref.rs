//! Handles of hosted agents.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::handle::Container;
use crate::service::Agent;
use crate::{Connect, Error, Proxy};
use aiomas_core::agent::AgentUrl;

/// A hosted agent: its URL, and its operations within its container.
///
/// As an argument of a call, it is a reference that the callee can call back, as in aiomas. Only the agent's own
/// container can send it; other containers of the process send its [`url`](Self::url). It prints as
/// `TestAgent('tcp://127.0.0.1:5555/0')`.
pub struct AgentRef<A> {
    container: Container,
    url: AgentUrl,
    type_name: Arc<str>,
    agent: PhantomData<fn() -> A>,
}

impl Container {
    /// Starts an agent in the container. Its id is the next number, as in aiomas.
    ///
    /// Calls of the agent wait until its `#[on_start]` has ended. This function returns as soon as an async
    /// `#[on_start]` waits, and a task continues the hook. If the hook then fails, the agent is removed, and the
    /// waiting calls fail with its error. [`spawn_started`](Self::spawn_started) waits for the hook.
    ///
    /// # Errors
    /// The container has too many agents or is shut down, or `#[on_start]` has failed at once.
    pub fn spawn<A: Agent>(&self, agent: A) -> Result<AgentRef<A>, Error> {
        let type_name = agent.type_name().into();
        let url = self.0.spawn(agent)?;
        Ok(AgentRef::new(self.clone(), url, type_name))
    }

    /// Starts an agent, and waits until its `#[on_start]` has ended.
    ///
    /// ```no_run
    /// # use aiomas::{Container, Error, Proxy, agent};
    /// struct Meter {
    ///     grid: Proxy,
    /// }
    ///
    /// #[agent]
    /// impl Meter {
    ///     #[on_start]
    ///     async fn register(&self, #[context] ctx: aiomas::Context) -> Result<(), Error> {
    ///         self.grid.call("register").arg(ctx.agent()?).send().await
    ///     }
    /// }
    ///
    /// # async fn example(container: Container, grid: Proxy) -> Result<(), Error> {
    /// // On success the meter is registered; on failure it is removed.
    /// let meter = container.spawn_started(Meter { grid }).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The container has too many agents or is shut down, or `#[on_start]` has failed. In each case the agent is
    /// removed.
    ///
    /// # Cancel safety
    /// Dropping the future drops the waiting `#[on_start]`, and removes the agent.
    pub async fn spawn_started<A: Agent>(&self, agent: A) -> Result<AgentRef<A>, Error> {
        let type_name = agent.type_name().into();
        let url = self.0.spawn_started(agent).await?;
        Ok(AgentRef::new(self.clone(), url, type_name))
    }
}

impl<A> AgentRef<A> {
    fn new(container: Container, url: AgentUrl, type_name: Arc<str>) -> Self {
        Self { container, url, type_name, agent: PhantomData }
    }

    pub(crate) fn reference(&self) -> Proxy {
        Proxy::of_local(self.container.0.this.clone(), self.url.clone())
    }

    /// Returns the URL of the agent.
    #[must_use]
    pub const fn url(&self) -> &AgentUrl {
        &self.url
    }

    /// Returns the container of the agent.
    pub const fn container(&self) -> &Container {
        &self.container
    }

    /// Connects to another agent. See [`Container::connect`].
    pub fn connect<P: From<Proxy>>(
        &self,
        url: impl TryInto<AgentUrl, Error: Into<Error>>,
    ) -> Connect<P> {
        self.container.connect(url)
    }

    /// Removes the agent from its container. Returns whether it was present. See [`Container::remove`].
    pub fn remove(&self) -> bool {
        self.container.remove(self.url.aid())
    }
}

impl<A: Agent> AgentRef<A> {
    /// Returns a proxy, which calls the agent like a remote one.
    #[must_use]
    pub fn proxy(&self) -> A::Proxy {
        self.reference().into()
    }
}

impl<A> Clone for AgentRef<A> {
    fn clone(&self) -> Self {
        Self::new(self.container.clone(), self.url.clone(), self.type_name.clone())
    }
}

impl<A> PartialEq for AgentRef<A> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.container.0, &other.container.0) && self.url == other.url
    }
}

impl<A> Eq for AgentRef<A> {}

impl<A> Hash for AgentRef<A> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.url.hash(state);
    }
}

impl<A> Serialize for AgentRef<A> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.reference().serialize(serializer)
    }
}

impl<A> fmt::Display for AgentRef<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}('{}')", self.type_name, self.url)
    }
}

impl<A> fmt::Debug for AgentRef<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
