//! Containers: agents, and the way to agents elsewhere.

mod agent_ref;
mod builder;
mod connect;
mod control;
mod local;
mod serve;

use std::collections::HashMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, RwLock, Weak};
use std::task::Poll;
use std::time::Duration;

pub use agent_ref::AgentRef;
pub use builder::{Agents, Builder, bind, builder};
pub use connect::Connect;

pub(super) use local::LocalCall;

use super::cancel::Canceller;
use super::clock::Clock;
use super::host::Host;
use super::lock::lock;
use super::service::{Agent, Identity, Resident, guarded, poll_guarded, poll_once};
use super::{Error, Later, Proxy};
use crate::agent::registry::number as agent_number;
use crate::agent::{Address, AgentUrl};
use crate::connection::{Close, Config, Negotiate};
use crate::rpc::Outcome;
use crate::wire::{Notation, RemoteError, Scope};
use control::Control;

/// The notation of calls between agents of one container.
pub(super) const LOCAL: Notation = Notation::MsgPack;

/// The path of an agent from its container's root service.
pub(super) fn agent_path(aid: &str) -> String {
    format!("agents/{aid}")
}

/// A container: agents that live in this process, and the way to agents elsewhere (aiomas' `Container`).
///
/// Cloning it is cheap. It is shut down by [`shutdown`](Self::shutdown), or when the last of its clones
/// and [`AgentRef`]s is gone; an agent that keeps one of its own container keeps that alive.
///
/// Agents need no runtime: they get their container from their [`Context`](super::Context), whichever
/// runtime it is bound on.
pub struct Container(Arc<Inner>);

/// What handles, connections and tasks of a container share.
pub(in crate::driver) struct Inner {
    this: Weak<Self>,
    host: Arc<dyn Host>,
    address: Address,
    /// Of the next connection.
    config: Mutex<Arc<Config>>,
    clock: Clock,
    local_scope: Scope,
    max_mailbox: u32,
    coalesces: bool,
    drain: Duration,
    /// Calls between our own agents that have not ended.
    local_calls: AtomicUsize,
    max_local_calls: usize,
    /// Handles.
    users: AtomicUsize,
    control: Mutex<Control>,
    agents: RwLock<Residents>,
    /// Accepts streams until it is dropped.
    listening: Mutex<Option<Canceller>>,
}

impl Container {
    pub(in crate::driver) fn from_inner(inner: Arc<Inner>) -> Self {
        inner.users.fetch_add(1, Ordering::Relaxed);
        Self(inner)
    }

    /// Where it listens, with the real port: what its agents' URLs begin with.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.0.address
    }

    /// The clock of its agents.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Tells how connections that are opened from now on agree on a codec. For containers whose peers do not
    /// all speak the same one.
    pub fn set_negotiate(&self, negotiate: Negotiate) {
        let mut config = lock(&self.0.config);
        if config.negotiate != negotiate {
            Arc::make_mut(&mut config).negotiate = negotiate;
        }
    }

    /// Lets an agent live here. Its id is the next number, as in aiomas.
    ///
    /// Its `#[on_start]` method runs before anybody can call it; what it waits for, it waits for in a task
    /// of its own.
    ///
    /// # Errors
    /// There are too many agents, the container is shut down, or `#[on_start]` has failed.
    pub fn spawn<A: Agent>(&self, agent: A) -> Result<AgentRef<A>, Error> {
        let type_name = agent.type_name().into();
        let url = self.0.spawn(agent)?;
        Ok(AgentRef::new(self.clone(), url, type_name))
    }

    /// Removes an agent; says whether it was there. Calls that wait for it fail, those that have started
    /// go on.
    pub fn remove(&self, aid: &str) -> bool {
        self.0.remove(aid)
    }

    /// How many agents live here.
    #[must_use]
    pub fn agents(&self) -> usize {
        self.0.agents().len()
    }

    /// How many connections there are, opened and accepted.
    #[must_use]
    pub fn connections(&self) -> usize {
        lock(&self.0.control).connections()
    }

    /// Finds an agent, here or elsewhere. `P` is what it is called by: a [`Proxy`] or a typed one.
    pub fn connect<P: From<Proxy>>(
        &self,
        url: impl TryInto<AgentUrl, Error: Into<Error>>,
    ) -> Connect<P> {
        Connect::new(self.clone(), url.try_into().map_err(Into::into))
    }

    /// Ends the container: no streams and calls are taken any more, what has been called is answered
    /// within ten seconds (see [`Builder::drain`]), connections are closed, and then agents run their
    /// `#[on_stop]`.
    ///
    /// # Errors
    /// None so far.
    ///
    /// # Cancel safety
    /// It happens whether or not the future is awaited to its end, once it has been polled.
    pub async fn shutdown(&self) -> Result<(), Error> {
        let within = self.0.drain;
        self.shutdown_by(Close::AfterAnswers { within }).await
    }

    /// As [`shutdown`](Self::shutdown), with a choice of what becomes of calls that have not been answered.
    ///
    /// # Errors
    /// None so far.
    ///
    /// # Cancel safety
    /// As [`shutdown`](Self::shutdown).
    pub fn shutdown_by(&self, how: Close) -> impl Future<Output = Result<(), Error>> + Send {
        let inner = self.0.clone();
        let mut begun = false;
        poll_fn(move |cx| {
            if !std::mem::replace(&mut begun, true) {
                inner.shutdown(how);
            }
            if lock(&inner.control).poll_ended(cx) { Poll::Ready(Ok(())) } else { Poll::Pending }
        })
    }
}

impl Clone for Container {
    fn clone(&self) -> Self {
        Self::from_inner(self.0.clone())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if self.0.users.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.shutdown(Close::AfterAnswers { within: self.0.drain });
        }
    }
}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Container").field(&self.0.address).finish()
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Inner").field(&self.address).finish()
    }
}

/// The agents by their numbers, which are their ids.
type Residents = HashMap<u64, Arc<dyn Resident>, BuildHasherDefault<Spread>>;

/// Spreads numbers that count up over a table. They are ours: no peer chooses them.
#[derive(Default)]
struct Spread(u64);

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

impl Inner {
    pub(in crate::driver) const fn local_scope(&self) -> &Scope {
        &self.local_scope
    }

    fn agents(&self) -> std::sync::RwLockReadGuard<'_, Residents> {
        self.agents.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn agents_mut(&self) -> std::sync::RwLockWriteGuard<'_, Residents> {
        self.agents.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn numbered(&self, number: u64) -> Option<Arc<dyn Resident>> {
        self.agents().get(&number).cloned()
    }

    fn agent(&self, aid: &str) -> Option<Arc<dyn Resident>> {
        self.numbered(agent_number(aid)?)
    }

    fn spawn<A: Agent>(&self, agent: A) -> Result<AgentUrl, Error> {
        let url = lock(&self.control).spawn(agent.type_name())?;
        let container = self.this.clone();
        let identity = Identity { url: url.clone(), container, max_mailbox: self.max_mailbox };
        let resident = agent.into_resident(Arc::new(identity));
        let started = self.run(guarded(|| resident.start()), {
            let (this, aid) = (self.this.clone(), Arc::<str>::from(url.aid()));
            move |failed| {
                if let (true, Some(this)) = (failed, this.upgrade()) {
                    this.remove(&aid);
                }
            }
        });
        if let Some(Err(error)) = started {
            lock(&self.control).remove(url.aid());
            return Err(Error::Remote(error));
        }
        if let Some(number) = agent_number(url.aid()) {
            self.agents_mut().insert(number, resident);
        }
        Ok(url)
    }

    fn remove(&self, aid: &str) -> bool {
        lock(&self.control).remove(aid);
        let resident = agent_number(aid).and_then(|number| self.agents_mut().remove(&number));
        let Some(resident) = resident else { return false };
        resident
            .desert(&RemoteError::lookup(format_args!("Name \"{aid}\" not found in \"agents\"")));
        // There is nobody to tell of a failure.
        let _ended = self.run(guarded(|| resident.stop()), |_failed| {});
        true
    }

    /// Lets a hook run: to its end if that comes at once, otherwise in a task, which tells at its end whether
    /// it has failed.
    fn run(
        &self,
        outcome: Outcome<Later>,
        end: impl FnOnce(bool) + Send + 'static,
    ) -> Option<Result<(), RemoteError>> {
        match outcome {
            Outcome::Done(answer) => Some(answer.map(drop)),
            Outcome::Later(mut later) => match poll_once(&mut later) {
                Poll::Ready(answer) => Some(answer.map(drop)),
                Poll::Pending => {
                    self.host.spawn(Box::pin(async move {
                        end(poll_fn(|cx| poll_guarded(&mut later, cx)).await.is_err());
                    }));
                    None
                }
            },
            Outcome::NotFound | Outcome::NotExposed => None,
        }
    }
}
