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

/// A container: agents that live in this process, and the way to agents elsewhere (aiomas' `Container`).
///
/// Cloning it is cheap. It is shut down by [`shutdown`](Self::shutdown), or when the last of its clones
/// and [`AgentRef`](crate::AgentRef)s is gone; an agent that keeps one of its own container keeps that alive.
///
/// It lists who lives in it ([`agents`](Self::agents)) and who is connected ([`peers`](Self::peers), with
/// certificates and calls under way), tells who comes and goes
/// ([`on_connect`](super::Builder::on_connect), [`on_disconnect`](super::Builder::on_disconnect)), and may have a
/// [check](super::Builder::authorize) of who calls what.
///
/// Agents need no runtime: they get their container from their [`Context`](crate::Context), whichever
/// runtime it is bound on.
#[must_use = "a container is shut down when nobody has it any more"]
pub struct Container(pub(super) Arc<ContainerShared>);

impl Container {
    pub(super) fn from_inner(inner: Arc<ContainerShared>) -> Self {
        inner.users.fetch_add(1, Ordering::Relaxed);
        Self(inner)
    }

    /// The container that is somebody's home.
    pub(crate) fn from_home(local_dispatch: Arc<dyn LocalDispatch>) -> Option<Self> {
        local_dispatch.into_any().downcast().ok().map(Self::from_inner)
    }

    /// What its agents' URLs begin with: where it listens, with the real port, or what is
    /// [advertised](super::Builder::advertise).
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
        let mut settings = lock(&self.0.settings);
        if settings.config.negotiate != negotiate {
            Arc::make_mut(&mut settings.config).negotiate = negotiate;
        }
    }

    /// Removes an agent; says whether it was there. Calls that wait for it fail, those that have started
    /// go on. Then its `#[on_stop]` runs, for which [`shutdown`](Self::shutdown) waits.
    pub fn remove(&self, aid: &str) -> bool {
        self.0.remove(aid)
    }

    /// How many agents live here.
    #[must_use]
    pub fn agent_count(&self) -> usize {
        self.0.agents().len()
    }

    /// Which agents live here, by their URLs, with the names of their types: in the order in which they came.
    #[must_use]
    pub fn agents(&self) -> Vec<(AgentUrl, String)> {
        let agents = self.0.agents();
        let named = |(number, agent): (u64, &Arc<dyn HostedAgent>)| {
            (self.0.url(number), agent.type_name().to_owned())
        };
        agents.all().into_iter().map(named).collect()
    }

    /// How many connections there are, opened and accepted.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        lock(&self.0.state).connections.len()
    }

    /// Who is connected, by opening the connection or by having it opened from here, in the order in which that
    /// was.
    #[must_use]
    pub fn peers(&self) -> Vec<Peer> {
        let connections = lock(&self.0.state).connections.all();
        connections.into_iter().map(Peer::of_connection).collect()
    }

    /// Counts of the connections that were accepted or refused.
    #[must_use]
    pub fn admission(&self) -> AdmissionStats {
        lock(&self.0.admission).stats()
    }

    /// What it does at present, and has done so far. It looks at each agent and connection.
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

    /// Runs a task on the runtime that the container is bound on, whichever that is: in a simulation it goes by the
    /// simulation's time, and ends with its host. [`Context::spawn`](crate::Context::spawn) is the same for
    /// methods; agents are let live by [`spawn`](Self::spawn).
    ///
    /// Nobody waits for the task, [`shutdown`](Self::shutdown) included: it ends by itself, or with its runtime. If it
    /// keeps a handle of the container, it keeps that alive. That it panics ends the task alone.
    pub fn spawn_task(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.host.spawn(alone(task));
    }

    /// Finds an agent, here or elsewhere. `P` is what it is called by: a [`Proxy`] or a typed one.
    pub fn connect<P: From<Proxy>>(
        &self,
        url: impl TryInto<AgentUrl, Error: Into<Error>>,
    ) -> Connect<P> {
        Connect::new(self.0.clone(), url.try_into().map_err(Into::into))
    }

    /// Ends the container.
    ///
    /// 1. No connections and calls are taken any more. What has been called is answered, within ten seconds (see
    ///    [`Builder::drain`](crate::Builder::drain)), and connections are closed.
    /// 2. All agents run their `#[on_stop]`, side by side. Each waits for the calls to its agent that still run. All of
    ///    this may take as long again.
    ///
    /// Within an async method of one of its agents, the future ends at once, for the end waits for that method. Then it
    /// is as [`Context::stop`](crate::Context::stop).
    ///
    /// # Errors
    /// [`Error::NotStopped`]: the container has ended, but some agents have not run their `#[on_stop]`, or not to its
    /// end. The error names them.
    ///
    /// # Cancel safety
    /// It happens whether or not the future is awaited to its end, once it has been polled.
    pub async fn shutdown(&self) -> Result<(), Error> {
        let within = self.0.drain;
        self.shutdown_with(Close::AfterAnswers { within }).await
    }

    /// As [`shutdown`](Self::shutdown), with a choice of what becomes of calls that have not been answered.
    ///
    /// With [`Close::Now`], connections are closed at once, and each `#[on_stop]` begins, but is not waited for: an
    /// agent that cannot stop at once is named by the error, and stops in the background, in the time that it has.
    ///
    /// # Errors
    /// As [`shutdown`](Self::shutdown).
    ///
    /// # Cancel safety
    /// As [`shutdown`](Self::shutdown).
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

    /// Waits until the container has ended: by [`shutdown`](Self::shutdown), by
    /// [`Context::stop`](crate::Context::stop), or because its runtime has.
    ///
    /// ```no_run
    /// use aiomas::{Container, Context, Error, agent};
    ///
    /// struct Door;
    ///
    /// #[agent]
    /// impl Door {
    ///     /// The answer is out before the connection closes.
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
    /// As [`shutdown`](Self::shutdown).
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
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

/// Handles are equal if they are of the same container.
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
