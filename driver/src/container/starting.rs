//! How agents come to live in a container: their `#[on_start]` ends before they are called.

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

/// An agent that is about to live. Unless its `#[on_start]` ends well, it is removed.
pub(super) struct Starting {
    container: Weak<ContainerShared>,
    url: AgentUrl,
    resident: Option<Arc<dyn HostedAgent>>,
    /// Why it does not live, unless it does.
    error: Option<RemoteError>,
}

/// An agent's service, and the handle that gets the agent's URL.
type Hosted = (Arc<dyn HostedAgent>, Arc<AgentHandle>);

/// What is left of an `#[on_start]`.
type Rest = Option<(Starting, Running)>;

impl ContainerShared {
    /// Lets an agent live here. What its `#[on_start]` waits for, it waits for in a task.
    pub(super) fn spawn(self: &Arc<Self>, agent: impl Agent) -> Result<AgentUrl, Error> {
        let hosted = self.host_agent(agent)?;
        self.start(hosted)
    }

    /// Lets an agent live here, and waits until its `#[on_start]` has ended. Dropping the future removes the agent.
    pub(super) async fn spawn_started(
        self: &Arc<Self>,
        agent: impl Agent,
    ) -> Result<AgentUrl, Error> {
        let hosted = self.host_agent(agent)?;
        self.start_and_wait(hosted).await
    }

    /// Makes an agent's service. Code for the agent's type is user code, and runs without the lock.
    fn host_agent(self: &Arc<Self>, agent: impl Agent) -> Result<Hosted, RemoteError> {
        let me = AgentHandle::new(self.this.clone());
        let resident = contain(|| agent.into_resident(me.clone()))?;
        Ok((resident, me))
    }

    // From here on nothing depends on the agent's type, so that none of it is compiled once for each.

    fn start(self: &Arc<Self>, hosted: Hosted) -> Result<AgentUrl, Error> {
        let (url, rest) = self.begin(hosted)?;
        if let Some((starting, mut hook)) = rest {
            self.host.spawn(Box::pin(async move {
                let answer = std::future::poll_fn(|cx| hook.poll(cx)).await;
                drop(hook);
                // Callers that wait for the agent get the error.
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

    /// Takes an agent in, and begins with its `#[on_start]`.
    fn begin(self: &Arc<Self>, (resident, me): Hosted) -> Result<(AgentUrl, Rest), Error> {
        // One lock, once: the agent gets its number and can be found, or the container is shut down and has not seen it.
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
        // From here on the agent can be called, which waits for the hook, and removed.
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
    /// If `#[on_start]` has failed, was given up, or its runtime has ended, what waits for the agent hears so.
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
