//! What lives in containers.

use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use crate::local_dispatch::LocalDispatch;
use crate::{Later, Proxy};
use aiomas_core::agent::AgentUrl;
use aiomas_core::rpc::{Outcome, Service, ServiceDict};
use aiomas_core::wire::RemoteError;

/// Something that can live in a container. Implemented by [`#[agent]`](macro@crate::agent), and for
/// [`ServiceDict`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no agent",
    note = "write `#[agent]` above an `impl {Self}` block, and `#[expose]` above its methods"
)]
pub trait Agent: Sized + 'static {
    /// What calls it from afar.
    type Proxy: From<Proxy>;

    /// The name of the type, which peers are told that ask for the agent.
    fn type_name(&self) -> &str;

    /// Lets it live in a container.
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

/// Where an agent lives, and under what name.
pub struct AgentHandle {
    /// Set when the agent gets its number, and before any of its methods and hooks can run.
    url: OnceLock<AgentUrl>,
    pub(crate) local_dispatch: Weak<dyn LocalDispatch>,
}

impl AgentHandle {
    /// The handle of an agent that has no number yet: its service is made first, without the lock of the agents.
    pub(crate) fn new(local_dispatch: Weak<dyn LocalDispatch>) -> Arc<Self> {
        Arc::new(Self { url: OnceLock::new(), local_dispatch })
    }

    pub(crate) fn set_url(&self, url: AgentUrl) {
        // An agent is let live once.
        let _set = self.url.set(url);
    }

    pub(crate) fn url(&self) -> Option<&AgentUrl> {
        self.url.get()
    }
}

/// An agent in its container.
#[doc(hidden)]
pub trait HostedAgent: Service<Later> + Send + Sync {
    /// Runs its `#[on_start]`. Calls wait until that has ended well, or the agent is [deserted](Self::close_queue).
    fn start(&self) -> Outcome<Later> {
        Outcome::NotFound
    }

    /// Its `#[on_start]` has failed: calls that wait for it fail with this, and nothing is run any more.
    fn fail_start(&self, error: &RemoteError) {
        let _ = error;
    }

    /// Whether it has an `#[on_stop]`.
    fn has_stop(&self) -> bool {
        false
    }

    /// Runs its `#[on_stop]` after the calls that have begun. If its `#[on_start]` has failed, nothing is run.
    fn stop(&self) -> Outcome<Later> {
        Outcome::NotFound
    }

    /// Whether its `#[on_stop]` has begun.
    fn is_stopping(&self) -> bool {
        false
    }

    /// How many calls wait for their turn.
    fn waiting(&self) -> usize {
        0
    }

    /// It is gone: calls that wait for it fail with this.
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
