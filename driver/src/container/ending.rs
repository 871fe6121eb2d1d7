//! The shutdown of a container: connections close, then agents stop concurrently.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use super::shared::ContainerShared;
use super::state::ContainerState;
use crate::cancel::{Canceller, cancellable};
use crate::contain::{contain, discard};
use crate::endpoint::{Endpoint, EndpointId};
use crate::host::BoxFuture;
use crate::later::Running;
use crate::lock::lock;
use crate::service::HostedAgent;
use crate::waits;
use crate::wakers::{Registration, WakerSet};
use crate::{Error, StopFailure, UnstoppedAgent};
use aiomas_core::agent::AgentUrl;
use aiomas_core::connection::Close;
use aiomas_core::rpc::Outcome;
use aiomas_core::wire::RemoteError;

/// The number of agents that start to stop before other tasks run.
const TURN: usize = 64;

/// An agent with a running `#[on_stop]`.
pub(super) struct Stopping {
    url: AgentUrl,
    resident: Arc<dyn HostedAgent>,
    /// Cancels the hook when dropped.
    _canceller: Canceller,
}

impl Endpoint for ContainerShared {
    fn id(&self) -> EndpointId {
        self.id
    }

    fn stop(&self) {
        if let Some(this) = self.this.upgrade() {
            this.shutdown(Close::AfterAnswers { within: self.drain });
        }
    }
}

impl ContainerShared {
    pub(super) fn shutdown(self: &Arc<Self>, how: Close) {
        // Accepts no more streams.
        if let Some(listening) = &*lock(&self.listening) {
            listening.cancel();
        }
        self.agents_mut().shut_down();
        self.update(|state, now| {
            match state.connections.closing() {
                // The state machine then requests the close of each connection.
                None => {
                    state.connections.close(how);
                    state.container.shutdown(now);
                    Vec::new()
                }
                // A second, immediate shutdown overrides one that drains.
                Some(before) if how == Close::Now && before != Close::Now => {
                    state.connections.close(how)
                }
                Some(_) => Vec::new(),
            }
        })
        .into_iter()
        .for_each(|connection| connection.close(how));
    }

    /// Waits for the end, and returns the result of `shutdown`.
    pub(super) fn poll_ended(
        &self,
        waiting: &mut Registration<Arc<WakerSet>>,
        cx: &Context<'_>,
    ) -> Poll<Result<(), Error>> {
        // Register before the check: the end may come in between.
        waiting.register(cx);
        let ended = lock(&self.state).ended.clone();
        if ended.is_none() {
            waits::note(|| format!("for the shutdown of {}", self.address));
        }
        ended.map_or(Poll::Pending, Poll::Ready)
    }

    /// Drives the timers until the container has stopped, then stops the agents.
    pub(super) fn watch(self: Arc<Self>) -> BoxFuture<()> {
        // The guard acts even if the task is dropped before its first poll.
        let watch = Watch(self);
        Box::pin(async move {
            watch.0.keep_time().await;
            watch.0.end().await;
        })
    }

    async fn keep_time(self: &Arc<Self>) {
        let mut timer = self.host.timer();
        let mut due = None;
        poll_fn(|cx| {
            loop {
                let timeout = self.update(|state, now| {
                    if state.container.poll_timeout().is_some_and(|at| at <= now) {
                        state.container.handle_timeout(now);
                    }
                    state.task = Some(cx.waker().clone());
                    state.timeout = state.container.poll_timeout();
                    state.timeout
                });
                if lock(&self.state).stopped {
                    return Poll::Ready(());
                }
                let Some(at) = timeout else { return Poll::Pending };
                if due != Some(at) {
                    timer.set(at);
                    due = Some(at);
                }
                if timer.poll(cx).is_pending() {
                    return Poll::Pending;
                }
                due = None;
            }
        })
        .await;
    }

    /// Stops the agents concurrently, within the time allowed for closing.
    async fn end(self: &Arc<Self>) {
        let listening = lock(&self.listening).take();
        if let Some(listening) = listening {
            listening.stop().await;
        }
        let mut timer = self.host.timer();
        if let Some(at) = self.host.now().checked_add(self.drain) {
            timer.set(at);
        }
        let mut agents = self.agents_mut().take().into_iter();
        poll_fn(|cx| {
            for (number, resident) in agents.by_ref().take(TURN) {
                self.stop_agent(number, resident);
            }
            if agents.len() > 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            self.poll_stopped(cx, |cx| timer.poll(cx))
        })
        .await;
        // The remaining agents have used up their time.
        let late = self.update(|state, _| {
            let late = std::mem::take(&mut state.stopping);
            let failures = late.values().map(|stopping| stopping.late(self.drain));
            state.unstopped.extend(failures);
            late
        });
        discard(late);
        self.ended();
    }

    /// Waits until all agents have stopped, or the time is over.
    fn poll_stopped(
        &self,
        cx: &mut Context<'_>,
        time: impl FnOnce(&mut Context<'_>) -> Poll<()>,
    ) -> Poll<()> {
        let at_once = {
            let mut state = lock(&self.state);
            if state.stopping.is_empty() {
                return Poll::Ready(());
            }
            state.task = Some(cx.waker().clone());
            state.connections.closing() == Some(Close::Now)
        };
        if at_once {
            self.ended();
        }
        time(cx)
    }

    /// Wakes the tasks that wait for the end.
    fn ended(&self) {
        let waiting = lock(&self.state).end();
        waiting.wake();
    }

    /// Stops an agent that was removed.
    pub(super) fn stop_agent(self: &Arc<Self>, number: u64, resident: Arc<dyn HostedAgent>) {
        let text = format_args!("Name \"{number}\" not found in \"agents\"");
        resident.close_queue(&RemoteError::lookup(text));
        let outcome = contain(|| resident.stop()).unwrap_or_else(Outcome::from);
        let answer = match outcome {
            Outcome::Done(answer) => answer.map(drop),
            Outcome::NotFound | Outcome::NotExposed => Ok(()),
            Outcome::Later(later) => {
                let mut hook = Running::new(later, self.id);
                match hook.poll_once() {
                    Poll::Ready(answer) => answer.map(drop),
                    Poll::Pending => return self.goes_on(number, resident, hook),
                }
            }
        };
        if let Err(error) = answer {
            let why = StopFailure::Failed(error);
            lock(&self.state).failed(&self.url(number), &*resident, why);
        }
        discard(resident);
    }

    /// Continues an `#[on_stop]` in a task of its own.
    fn goes_on(self: &Arc<Self>, number: u64, resident: Arc<dyn HostedAgent>, mut hook: Running) {
        let stop = Stop { container: Some(self.clone()), number };
        let (canceller, task) = cancellable(async move {
            let answer = poll_fn(|cx| hook.poll(cx)).await;
            drop(hook);
            stop.end(answer.map(drop));
        });
        let stopping = Stopping { url: self.url(number), resident, _canceller: canceller };
        lock(&self.state).stopping.insert(number, stopping);
        self.host.spawn(task);
    }

    /// Ends the container after its runtime has ended, so that no task waits for ever.
    fn orphan(self: &Arc<Self>) {
        if lock(&self.state).ended.is_some() {
            return;
        }
        let listening = lock(&self.listening).take();
        drop(listening);
        self.update(|state, now| {
            state.orphaned = true;
            state.stopped = true;
            state.connections.close(Close::Now);
            state.container.shutdown(now);
        });
        let agents = {
            let mut agents = self.agents_mut();
            agents.shut_down();
            agents.take()
        };
        for (number, resident) in &agents {
            resident.close_queue(&RemoteError::from(Error::runtime_ended(&self.address)));
            if resident.has_stop() {
                let why = StopFailure::RuntimeEnded;
                lock(&self.state).failed(&self.url(*number), &**resident, why);
            }
        }
        let stopping = self.update(|state, _| {
            let stopping = std::mem::take(&mut state.stopping);
            let failures = stopping.values().map(|stopping| {
                UnstoppedAgent::new(
                    stopping.url.clone(),
                    &*stopping.resident,
                    StopFailure::RuntimeEnded,
                )
            });
            state.unstopped.extend(failures);
            stopping
        });
        self.ended();
        agents.into_iter().for_each(discard);
        discard(stopping);
    }
}

impl ContainerState {
    /// Records that an agent did not stop properly. `shutdown` reports it once it is stopping agents; an agent removed
    /// earlier is not reported.
    fn failed(&mut self, url: &AgentUrl, resident: &dyn HostedAgent, why: StopFailure) {
        if self.stopped {
            self.unstopped.push(UnstoppedAgent::new(url.clone(), resident, why));
        }
    }

    /// Fixes the result of `shutdown`, and returns its waiters.
    fn end(&mut self) -> Arc<WakerSet> {
        if self.ended.is_none() {
            let running = self.stopping.values().map(|stopping| {
                let (url, resident) = (stopping.url.clone(), &*stopping.resident);
                UnstoppedAgent::new(url, resident, StopFailure::NotAwaited)
            });
            let mut agents: Vec<_> = self.unstopped.drain(..).chain(running).collect();
            agents.sort_by_cached_key(|agent| agent.url.aid().parse::<u64>().unwrap_or(u64::MAX));
            let all = agents.is_empty();
            self.ended =
                Some(if all { Ok(()) } else { Err(Error::NotStopped { agents: agents.into() }) });
        }
        self.waiting.clone()
    }
}

impl Stopping {
    /// Returns the error of an agent that ran out of time.
    fn late(&self, after: Duration) -> UnstoppedAgent {
        let begun = self.resident.is_stopping();
        let why = if begun { StopFailure::TimedOut { after } } else { StopFailure::Busy { after } };
        UnstoppedAgent::new(self.url.clone(), &*self.resident, why)
    }
}

impl UnstoppedAgent {
    fn new(url: AgentUrl, resident: &dyn HostedAgent, why: StopFailure) -> Self {
        Self { url, type_name: resident.type_name().into(), why }
    }
}

/// The task that watches a container. If the runtime drops it, the container ends.
struct Watch(Arc<ContainerShared>);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.orphan();
    }
}

/// A continued `#[on_stop]`. Its end, however it comes, releases the shutdown of the container.
struct Stop {
    /// `None` after the end.
    container: Option<Arc<ContainerShared>>,
    number: u64,
}

impl Stop {
    fn end(mut self, result: Result<(), RemoteError>) {
        self.tell(result.map_err(StopFailure::Failed));
    }

    fn tell(&mut self, result: Result<(), StopFailure>) {
        let Some(container) = self.container.take() else { return };
        let stopping = container.update(|state, _| {
            // If the entry is missing, the agent ran out of time.
            let stopping = state.stopping.remove(&self.number)?;
            if let Err(why) = result {
                state.failed(&stopping.url, &*stopping.resident, why);
            }
            Some(stopping)
        });
        discard(stopping);
    }
}

impl Drop for Stop {
    /// Reports that the runtime has ended; does nothing if the agent ran out of time.
    fn drop(&mut self) {
        self.tell(Err(StopFailure::RuntimeEnded));
    }
}
