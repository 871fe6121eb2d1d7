//! What handles, connections and tasks of a container share.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, Weak};
use std::time::Duration;

use super::hooks::Hooks;
use super::state::ContainerState;
use crate::cancel::Canceller;
use crate::clock::Clock;
use crate::endpoint::EndpointId;
use crate::host::Host;
use crate::lock::lock;
use crate::options::Settings;
use crate::service::HostedAgent;
use aiomas_core::agent::Address;
use aiomas_core::connection::Admission;
use aiomas_core::internal::number as agent_number;
use aiomas_core::wire::CodecContext;

/// A container. Its parts are locked one by one, never two at a time.
pub(super) struct ContainerShared {
    pub(super) this: Weak<Self>,
    pub(super) id: EndpointId,
    pub(super) host: Arc<dyn Host>,
    pub(super) address: Address,
    /// Of the next connection.
    pub(super) settings: Mutex<Settings>,
    pub(super) clock: Clock,
    pub(super) local_context: CodecContext,
    pub(super) max_mailbox: u32,
    pub(super) drain: Duration,
    /// Calls between our own agents that have not ended.
    pub(super) local_calls: AtomicUsize,
    pub(super) max_local_calls: usize,
    /// Handles.
    pub(super) users: AtomicUsize,
    pub(super) state: Mutex<ContainerState>,
    pub(super) agents: RwLock<Residents>,
    pub(super) hooks: Hooks,
    pub(super) admission: Arc<Mutex<Admission>>,
    /// Accepts streams until it is dropped.
    pub(super) listening: Mutex<Option<Canceller>>,
}

impl fmt::Debug for ContainerShared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Inner").field(&self.address).finish()
    }
}

/// The agents by their numbers, which are their ids.
pub(super) type Residents = HashMap<u64, Arc<dyn HostedAgent>, BuildHasherDefault<Spread>>;

/// Spreads numbers that count up over a table. They are ours: no peer chooses them.
#[derive(Default)]
pub(super) struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0 ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // The golden ratio, as usual.
        self.0 = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl ContainerShared {
    pub(super) fn agents(&self) -> RwLockReadGuard<'_, Residents> {
        self.agents.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn agents_mut(&self) -> RwLockWriteGuard<'_, Residents> {
        self.agents.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn numbered(&self, number: u64) -> Option<Arc<dyn HostedAgent>> {
        self.agents().get(&number).cloned()
    }

    pub(super) fn agent(&self, aid: &str) -> Option<Arc<dyn HostedAgent>> {
        self.numbered(agent_number(aid)?)
    }

    /// Removes an agent, which then stops.
    pub(super) fn remove(self: &Arc<Self>, aid: &str) -> bool {
        lock(&self.state).remove(aid);
        let Some(number) = agent_number(aid) else { return false };
        let removed = self.agents_mut().remove(&number);
        match removed {
            Some(resident) => self.stop_agent(number, resident),
            None => return false,
        }
        true
    }
}
