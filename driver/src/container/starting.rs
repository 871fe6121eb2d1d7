//! Starting agents: calls wait until `#[on_start]` has ended.

use std::sync::{Arc, Mutex, Weak};
use std::task::Poll;

use super::shared::ContainerShared;
use crate::Error;
use crate::cancel::cancellable;
use crate::contain::{contain, discard};
use crate::host::BoxFuture;
use crate::later::Running;
use crate::lock::lock;
use crate::service::{Agent, AgentHandle, HostedAgent};
use crate::trace;
use aiomas_core::agent::AgentUrl;
use aiomas_core::rpc::Outcome;
use aiomas_core::wire::RemoteError;

/// An agent that is starting. Unless its `#[on_start]` succeeds, the agent is removed.
pub(super) struct Starting {
    container: Weak<ContainerShared>,
    url: AgentUrl,
    resident: Option<Arc<dyn HostedAgent>>,
    /// The cause of the failure, unless the agent started.
    error: Option<RemoteError>,
}

/// An agent's service, and the handle that receives the agent's URL.
type Hosted = (Arc<dyn HostedAgent>, Arc<AgentHandle>);

/// The rest of an unfinished `#[on_start]`.
type Rest = Option<(Starting, Running)>;

impl ContainerShared {
    /// Starts an agent. A task continues an `#[on_start]` that waits.
    pub(super) fn spawn(self: &Arc<Self>, agent: impl Agent) -> Result<AgentUrl, Error> {
        let hosted = self.host_agent(agent)?;
        self.start(hosted)
    }

    /// Starts an agent, and waits until its `#[on_start]` has ended. Dropping the future removes the agent.
    pub(super) async fn spawn_started(
        self: &Arc<Self>,
        agent: impl Agent,
    ) -> Result<AgentUrl, Error> {
        let hosted = self.host_agent(agent)?;
        self.start_and_wait(hosted).await
    }

    /// Creates an agent's service. Code for the agent's type is user code, and runs without the lock.
    fn host_agent(self: &Arc<Self>, agent: impl Agent) -> Result<Hosted, RemoteError> {
        let me = AgentHandle::new(self.this.clone());
        let resident = contain(|| agent.into_resident(me.clone()))?;
        Ok((resident, me))
    }

    // From here on nothing depends on the agent's type, so the code is compiled once, not once for each type.

    fn start(self: &Arc<Self>, hosted: Hosted) -> Result<AgentUrl, Error> {
        let (url, rest) = self.begin(hosted)?;
        if let Some((starting, mut hook)) = rest {
            self.host.spawn(Box::pin(async move {
                let answer = std::future::poll_fn(|cx| hook.poll(cx)).await;
                drop(hook);
                // Calls that wait for the agent receive the error.
                if let Err(error) = starting.end(answer.map(drop)) {
                    trace::hook_failed("on_start", &error);
                }
            }));
        }
        Ok(url)
    }

    fn start_and_wait(self: &Arc<Self>, hosted: Hosted) -> BoxFuture<Result<AgentUrl, Error>> {
        let this = self.clone();
        Box::pin(async move {
            let (url, rest) = this.begin(hosted)?;
            if let Some((starting, mut hook)) = rest {
                let outcome = Arc::<Mutex<Option<Result<(), RemoteError>>>>::default();
                let answered = outcome.clone();
                let (canceller, task) = cancellable(async move {
                    let answer = std::future::poll_fn(|cx| hook.poll(cx)).await;
                    drop(hook);
                    let started = starting.end(answer.map(drop));
                    *lock(&answered) = Some(started);
                });
                this.host.spawn(task);
                canceller.join().await;
                let started = lock(&outcome).take();
                started.unwrap_or_else(|| Err(Error::runtime_ended(&this.address).into()))?;
            }
            Ok(url)
        })
    }

    /// Inserts an agent, and starts its `#[on_start]`.
    fn begin(self: &Arc<Self>, (resident, me): Hosted) -> Result<(AgentUrl, Rest), Error> {
        // Under a single lock: the agent gets its number and becomes visible, or the container is shut down and has not
        // seen the agent.
        let inserted = self.agents_mut().insert_with(|number| {
            me.set_url(self.url(number));
            resident.clone()
        });
        let number = match inserted {
            Ok(number) => number,
            Err(refusal) => {
                discard(resident);
                return Err(lock(&self.state).refused(refusal));
            }
        };
        let url = self.url(number);
        let starting = Starting {
            container: self.this.clone(),
            url: url.clone(),
            resident: Some(resident.clone()),
            error: Some(RemoteError::new(
                "RuntimeError",
                "the agent was given up before it had started",
            )),
        };
        // From here on the agent can be removed, and called; calls wait for the hook.
        let outcome = contain(|| resident.start()).unwrap_or_else(Outcome::from);
        let answer = match outcome {
            Outcome::Done(answer) => answer.map(drop),
            Outcome::NotFound | Outcome::NotExposed => Ok(()),
            Outcome::Later(later) => {
                let mut hook = Running::new(later, self.id);
                match hook.poll_once() {
                    Poll::Ready(answer) => answer.map(drop),
                    Poll::Pending => return Ok((url, Some((starting, hook)))),
                }
            }
        };
        starting.end(answer)?;
        Ok((url, None))
    }
}

impl Starting {
    fn end(mut self, result: Result<(), RemoteError>) -> Result<(), RemoteError> {
        self.error = result.as_ref().err().cloned();
        result
    }
}

impl Drop for Starting {
    /// Fails the waiting calls if `#[on_start]` failed, was cancelled, or lost its runtime.
    fn drop(&mut self) {
        let resident = self.resident.take();
        if let Some(error) = self.error.take() {
            if let Some(container) = self.container.upgrade() {
                let removed = container.agents_mut().remove(self.url.aid());
                discard(removed);
            }
            if let Some(resident) = &resident {
                resident.fail_start(&error);
            }
        }
        discard(resident);
    }
}
