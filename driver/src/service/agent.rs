//! The agents of a container.

use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use crate::local_dispatch::LocalDispatch;
use crate::{Later, Proxy};
use aiomas_core::agent::AgentUrl;
use aiomas_core::rpc::{Outcome, Service, ServiceDict};
use aiomas_core::wire::RemoteError;

/// A type that a container can host. Implemented by [`#[agent]`](macro@crate::agent), and for [`ServiceDict`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no agent",
    note = "write `#[agent]` above an `impl {Self}` block, and `#[expose]` above its methods"
)]
pub trait Agent: Sized + 'static {
    /// The type of its proxies.
    type Proxy: From<Proxy>;

    /// Returns the name of the type, which peers receive when they look up the agent.
    fn type_name(&self) -> &str;

    /// Wraps the agent for its container.
    #[doc(hidden)]
    fn into_resident(self, me: Arc<AgentHandle>) -> Arc<dyn HostedAgent>;
}

impl Agent for ServiceDict<Later> {
    type Proxy = Proxy;

    fn type_name(&self) -> &str {
        Service::type_name(self)
    }

    fn into_resident(self, _: Arc<AgentHandle>) -> Arc<dyn HostedAgent> {
        Arc::new(self)
    }
}

/// An agent's container and URL.
pub struct AgentHandle {
    /// Set with the agent's number, before any of its methods and hooks can run.
    url: OnceLock<AgentUrl>,
    pub(crate) local_dispatch: Weak<dyn LocalDispatch>,
}

impl AgentHandle {
    /// Creates the handle of an agent without a number: the service is created first, without the lock of the agents.
    pub(crate) fn new(local_dispatch: Weak<dyn LocalDispatch>) -> Arc<Self> {
        Arc::new(Self { url: OnceLock::new(), local_dispatch })
    }

    pub(crate) fn set_url(&self, url: AgentUrl) {
        // An agent is spawned once.
        let _set = self.url.set(url);
    }

    pub(crate) fn url(&self) -> Option<&AgentUrl> {
        self.url.get()
    }
}

/// An agent in its container.
#[doc(hidden)]
pub trait HostedAgent: Service<Later> + Send + Sync {
    /// Runs its `#[on_start]`. Calls wait until the hook succeeds, or the queue is [closed](Self::close_queue).
    fn start(&self) -> Outcome<Later> {
        Outcome::NotFound
    }

    /// Fails the waiting calls after a failed `#[on_start]`. Nothing runs any more.
    fn fail_start(&self, error: &RemoteError) {
        let _ = error;
    }

    /// Returns whether it has an `#[on_stop]`.
    fn has_stop(&self) -> bool {
        false
    }

    /// Runs its `#[on_stop]` after the calls that have started. After a failed `#[on_start]`, nothing runs.
    fn stop(&self) -> Outcome<Later> {
        Outcome::NotFound
    }

    /// Returns whether its `#[on_stop]` has started.
    fn is_stopping(&self) -> bool {
        false
    }

    /// Returns the number of waiting calls.
    fn waiting(&self) -> usize {
        0
    }

    /// Fails the calls that wait for the agent, which is gone.
    fn close_queue(&self, error: &RemoteError) {
        let _ = error;
    }
}

impl HostedAgent for ServiceDict<Later> {}

impl fmt::Debug for AgentHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AgentHandle").field(&self.url.get()).finish()
    }
}
