//! The handle of a container.

use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use super::connect::Connect;
use super::shared::ContainerShared;
use crate::clock::Clock;
use crate::contain::alone;
use crate::local_dispatch::LocalDispatch;
use crate::lock::lock;
use crate::service::HostedAgent;
use crate::wakers::Registration;
use crate::{ContainerStats, Error, Peer, Proxy};
use aiomas_core::agent::{Address, AgentUrl};
use aiomas_core::connection::{AdmissionStats, Close, Negotiate};

/// A container: hosts agents of this process, and connects to agents elsewhere (aiomas' `Container`).
///
/// Cloning it is cheap. It shuts down by [`shutdown`](Self::shutdown), or when the last clone and
/// [`AgentRef`](crate::AgentRef) is gone; an agent that keeps a handle of its own container keeps the container alive.
///
/// It lists its agents ([`agents`](Self::agents)) and its peers ([`peers`](Self::peers), with certificates and pending
/// calls), runs hooks for connected and disconnected peers ([`on_connect`](super::Builder::on_connect),
/// [`on_disconnect`](super::Builder::on_disconnect)), and can [check](super::Builder::authorize) each call.
///
/// Agents need no runtime: they get their container from their [`Context`](crate::Context), on any runtime.
#[must_use = "dropping the last handle shuts the container down"]
pub struct Container(pub(super) Arc<ContainerShared>);

impl Container {
    pub(super) fn from_inner(inner: Arc<ContainerShared>) -> Self {
        inner.users.fetch_add(1, Ordering::Relaxed);
        Self(inner)
    }

    /// Returns the container behind a local dispatch.
    pub(crate) fn from_home(local_dispatch: Arc<dyn LocalDispatch>) -> Option<Self> {
        local_dispatch.into_any().downcast().ok().map(Self::from_inner)
    }

    /// Returns the address in its agents' URLs: the listener's, with the real port, or the
    /// [advertised](super::Builder::advertise) one.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.0.address
    }

    /// Returns the clock of its agents.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Sets how future connections agree on a codec. For containers whose peers speak different codecs.
    pub fn set_negotiate(&self, negotiate: Negotiate) {
        let mut settings = lock(&self.0.settings);
        if settings.config.negotiate != negotiate {
            Arc::make_mut(&mut settings.config).negotiate = negotiate;
        }
    }

    /// Removes an agent. Returns whether it was present. Calls that wait for the agent fail, running calls go on. Then
    /// its `#[on_stop]` runs, and [`shutdown`](Self::shutdown) waits for the hook.
    pub fn remove(&self, aid: &str) -> bool {
        self.0.remove(aid)
    }

    /// Returns the number of hosted agents.
    #[must_use]
    pub fn agent_count(&self) -> usize {
        self.0.agents().len()
    }

    /// Returns the URLs and type names of the hosted agents, in order of creation.
    #[must_use]
    pub fn agents(&self) -> Vec<(AgentUrl, String)> {
        let agents = self.0.agents();
        let named = |(number, agent): (u64, &Arc<dyn HostedAgent>)| {
            (self.0.url(number), agent.type_name().to_owned())
        };
        agents.all().into_iter().map(named).collect()
    }

    /// Returns the number of connections, dialled and accepted.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        lock(&self.0.state).connections.len()
    }

    /// Returns the connected peers, dialled and accepted, in the order of their connections.
    #[must_use]
    pub fn peers(&self) -> Vec<Peer> {
        let connections = lock(&self.0.state).connections.all();
        connections.into_iter().map(Peer::of_connection).collect()
    }

    /// Returns counts of the connections that were accepted or refused.
    #[must_use]
    pub fn admission(&self) -> AdmissionStats {
        lock(&self.0.admission).stats()
    }

    /// Returns current and total counts. It visits each agent and connection.
    #[must_use]
    pub fn stats(&self) -> ContainerStats {
        let ((gone, connections), (dials, failed_dials)) = {
            let state = lock(&self.0.state);
            (state.connections.counts(), state.container.attempts())
        };
        let (agents, waiting) = {
            let agents = self.0.agents();
            (agents.len(), agents.all().iter().map(|(_, agent)| agent.waiting()).sum())
        };
        ContainerStats {
            agents,
            waiting,
            local_calls: self.0.local_calls.load(Ordering::Relaxed),
            dials,
            failed_dials,
            admission: self.admission(),
            connections: gone.with(&connections),
        }
    }

    /// Spawns a task on the container's runtime. In a simulation the task runs in simulated time, and ends with its
    /// host. Methods use [`Context::spawn`](crate::Context::spawn); to start an agent, use [`spawn`](Self::spawn).
    ///
    /// The task is detached, and [`shutdown`](Self::shutdown) does not wait for it: it ends by itself, or with its
    /// runtime. If the task keeps a handle of the container, it keeps the container alive. A panic ends the task alone.
    pub fn spawn_task(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.host.spawn(alone(task));
    }

    /// Connects to an agent, here or elsewhere. `P` is the proxy type: [`Proxy`] or a typed one.
    pub fn connect<P: From<Proxy>>(
        &self,
        url: impl TryInto<AgentUrl, Error: Into<Error>>,
    ) -> Connect<P> {
        Connect::new(self.0.clone(), url.try_into().map_err(Into::into))
    }

    /// Shuts the container down.
    ///
    /// 1. Connections and calls are no longer accepted. Pending calls are answered within ten seconds (see
    ///    [`Builder::drain`](crate::Builder::drain)), and connections are closed.
    /// 2. All agents run their `#[on_stop]` concurrently. Each hook waits for the running calls of its agent. Together
    ///    this may take as long again.
    ///
    /// Within an async method of one of its agents, the future completes at once, because the shutdown waits for that
    /// method. Then it acts like [`Context::stop`](crate::Context::stop).
    ///
    /// # Errors
    /// [`Error::NotStopped`]: the container has ended, but some agents have not run their `#[on_stop]`, or have not
    /// completed it. The error names them.
    ///
    /// # Cancel safety
    /// Once polled, the shutdown completes whether or not the future is awaited to its end.
    pub async fn shutdown(&self) -> Result<(), Error> {
        let within = self.0.drain;
        self.shutdown_with(Close::AfterAnswers { within }).await
    }

    /// Shuts the container down; `how` decides the fate of unanswered calls.
    ///
    /// With [`Close::Now`], connections are closed at once, and each `#[on_stop]` starts but is not awaited: the error
    /// names each agent that cannot stop at once, and the agent stops in the background within its time.
    ///
    /// # Errors
    /// The errors of [`shutdown`](Self::shutdown).
    ///
    /// # Cancel safety
    /// The same as [`shutdown`](Self::shutdown).
    pub fn shutdown_with(&self, how: Close) -> impl Future<Output = Result<(), Error>> + Send {
        let inner = self.0.clone();
        let mut waiting = Registration::new(lock(&inner.state).waiting.clone());
        let mut begun = false;
        poll_fn(move |cx| {
            if !std::mem::replace(&mut begun, true) {
                inner.shutdown(how);
            }
            if inner.id.is_current() {
                return Poll::Ready(Ok(()));
            }
            inner.poll_ended(&mut waiting, cx)
        })
    }

    /// Waits until the container has ended, by [`shutdown`](Self::shutdown), by
    /// [`Context::stop`](crate::Context::stop), or with its runtime.
    ///
    /// ```no_run
    /// use aiomas::{Container, Context, Error, agent};
    ///
    /// struct Door;
    ///
    /// #[agent]
    /// impl Door {
    ///     /// The answer is sent before the connection closes.
    ///     #[expose]
    ///     fn quit(&self, #[context] ctx: &Context) -> Result<(), Error> {
    ///         ctx.stop()
    ///     }
    /// }
    ///
    /// async fn serve(container: Container) -> Result<(), Error> {
    ///     container.spawn(Door)?;
    ///     container.stopped().await
    /// }
    /// ```
    ///
    /// # Errors
    /// The errors of [`shutdown`](Self::shutdown).
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn stopped(&self) -> Result<(), Error> {
        let mut waiting = Registration::new(lock(&self.0.state).waiting.clone());
        poll_fn(|cx| self.0.poll_ended(&mut waiting, cx)).await
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

/// Two handles are equal if they belong to the same container.
impl PartialEq for Container {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Container {}

impl fmt::Debug for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Container").field(&self.0.address).finish()
    }
}
