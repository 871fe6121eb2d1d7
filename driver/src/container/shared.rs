//! State shared by the handles, connections and tasks of a container.

use std::fmt;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use std::time::Duration;

use super::hooks::Hooks;
use super::state::ContainerState;
use crate::cancel::Canceller;
use crate::clock::Clock;
use crate::endpoint::EndpointId;
use crate::host::Host;
use crate::options::Settings;
use crate::service::HostedAgent;
use aiomas_core::agent::{Address, AgentUrl, Agents};
use aiomas_core::connection::Admission;
use aiomas_core::internal::{LocalCodec, number as agent_number};

/// The shared part of a container. Its locks are never held two at a time.
pub(super) struct ContainerShared {
    pub(super) this: Weak<Self>,
    pub(super) id: EndpointId,
    pub(super) host: Arc<dyn Host>,
    pub(super) address: Address,
    /// The settings of future connections.
    pub(super) settings: Mutex<Settings>,
    pub(super) clock: Clock,
    pub(super) local_codec: LocalCodec,
    pub(super) max_mailbox: u32,
    pub(super) drain: Duration,
    /// The number of pending calls between our own agents.
    pub(super) local_calls: AtomicUsize,
    pub(super) max_local_calls: usize,
    /// The number of handles.
    pub(super) users: AtomicUsize,
    pub(super) state: Mutex<ContainerState>,
    /// Separate from `state`, because calls look agents up concurrently.
    pub(super) agents: RwLock<Agents<Arc<dyn HostedAgent>>>,
    pub(super) hooks: Hooks,
    pub(super) admission: Arc<Mutex<Admission>>,
    /// Accepts streams until it is dropped.
    pub(super) listening: Mutex<Option<Canceller>>,
}

impl fmt::Debug for ContainerShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ContainerShared").field(&self.address).finish()
    }
}

impl ContainerShared {
    pub(super) fn agents(&self) -> RwLockReadGuard<'_, Agents<Arc<dyn HostedAgent>>> {
        self.agents.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn agents_mut(&self) -> RwLockWriteGuard<'_, Agents<Arc<dyn HostedAgent>>> {
        self.agents.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn numbered(&self, number: u64) -> Option<Arc<dyn HostedAgent>> {
        self.agents().numbered(number).cloned()
    }

    pub(super) fn agent(&self, aid: &str) -> Option<Arc<dyn HostedAgent>> {
        self.agents().get(aid).cloned()
    }

    /// Removes an agent, and stops it.
    pub(super) fn remove(self: &Arc<Self>, aid: &str) -> bool {
        // The lock is released before the agent stops, which runs user code.
        let removed = self.agents_mut().remove(aid);
        match removed.zip(agent_number(aid)) {
            Some((agent, number)) => self.stop_agent(number, agent),
            None => return false,
        }
        true
    }

    pub(super) fn url(&self, number: u64) -> AgentUrl {
        AgentUrl::new(self.address.clone(), number.to_string())
    }
}
