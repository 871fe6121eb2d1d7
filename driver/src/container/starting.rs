//! How agents come to live in a container: their `#[on_start]` ends before they are called.

use std::sync::{Arc, Mutex, Weak};
use std::task::Poll;

use super::shared::ContainerShared;
use crate::Error;
use crate::cancel::cancellable;
use crate::contain::{contain, discard};
use crate::later::Running;
use crate::lock::lock;
use crate::service::{Agent, AgentHandle, HostedAgent};
use crate::trace;
use aiomas_core::agent::{AgentUrl, ContainerError};
use aiomas_core::internal::number as agent_number;
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

/// What is left of an `#[on_start]`.
type Rest = Option<(Starting, Running)>;

impl ContainerShared {
    /// Lets an agent live here. What its `#[on_start]` waits for, it waits for in a task.
    pub(super) fn spawn<A: Agent>(self: &Arc<Self>, agent: A) -> Result<AgentUrl, Error> {
        let (url, rest) = self.begin(agent)?;
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

    /// Lets an agent live here, and waits until its `#[on_start]` has ended. Dropping the future removes the agent.
    pub(super) async fn spawn_started<A: Agent>(
        self: &Arc<Self>,
        agent: A,
    ) -> Result<AgentUrl, Error> {
        let (url, rest) = self.begin(agent)?;
        if let Some((starting, mut hook)) = rest {
            let outcome = Arc::<Mutex<Option<Result<(), RemoteError>>>>::default();
            let answered = outcome.clone();
            let (canceller, task) = cancellable(async move {
                let answer = std::future::poll_fn(|cx| hook.poll(cx)).await;
                drop(hook);
                let started = starting.end(answer.map(drop));
                *lock(&answered) = Some(started);
            });
            self.host.spawn(task);
            canceller.join().await;
            let started = lock(&outcome).take();
            started.unwrap_or_else(|| Err(Error::runtime_ended(&self.address).into()))?;
        }
        Ok(url)
    }

    /// Takes an agent in, and begins with its `#[on_start]`.
    fn begin<A: Agent>(self: &Arc<Self>, agent: A) -> Result<(AgentUrl, Rest), Error> {
        let type_name = agent.type_name().to_owned();
        let url = {
            let mut state = lock(&self.state);
            state.spawn(&type_name).map_err(|refusal| state.refused(refusal))?
        };
        let mut starting = Starting {
            container: self.this.clone(),
            url: url.clone(),
            resident: None,
            error: Some(RemoteError::new(
                "RuntimeError",
                "the agent was given up before it had started",
            )),
        };
        let identity =
            Arc::new(AgentHandle { url: url.clone(), local_dispatch: self.this.clone() });
        let resident = contain(|| agent.into_resident(identity))?;
        starting.resident = Some(resident.clone());
        if let Some(number) = agent_number(url.aid()) {
            self.agents_mut().insert(number, resident.clone());
        }
        // The container may have come to its end in between, and not have seen the agent.
        if lock(&self.state).stopped {
            return Err(lock(&self.state).refused(ContainerError::ShutDown));
        }
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
                lock(&container.state).remove(self.url.aid());
                let number = agent_number(self.url.aid());
                let removed = number.and_then(|number| container.agents_mut().remove(&number));
                discard(removed);
            }
            if let Some(resident) = &resident {
                resident.fail_start(&error);
            }
        }
        discard(resident);
    }
}
