//! The container's event loop: dialling, validating, accepting.

use std::sync::Arc;
use std::time::Instant;

use super::serve::{AgentsHandler, VALIDATE_AID};
use super::shared::ContainerShared;
use super::state::{Connecting, ContainerState};
use crate::any_connection::AnyConnection;
use crate::cancel::cancellable;
use crate::connection::Connection;
use crate::contain::{undisturbed, wake_all};
use crate::lock::lock;
use crate::stream::Stream;
use crate::trace::Dial;
use crate::{Error, Proxy};
use aiomas_core::agent::{
    Action, AgentUrl, ConnId, ConnectError, ConnectId, ContainerError, ContainerEvent, DialError,
    DialId, RetryLimit, ValidateError, ValidateTicket,
};
use aiomas_core::connection::{CallRejected, Close, CloseReason, Side};
use aiomas_core::internal::TypeName;

enum Step {
    Execute(Action),
    Event(ContainerEvent<Arc<Connecting>>),
}

impl ContainerShared {
    /// Changes the state machine, and runs the resulting actions.
    pub(super) fn update<R>(
        self: &Arc<Self>,
        f: impl FnOnce(&mut ContainerState, Instant) -> R,
    ) -> R {
        let now = self.host.now();
        let (result, runs) = {
            let mut state = lock(&self.state);
            let result = f(&mut state, now);
            // Otherwise, the task that is running the loop finds the new actions.
            (result, !std::mem::replace(&mut state.running, true))
        };
        if runs {
            self.drive();
        }
        result
    }

    pub(super) fn connect(
        self: &Arc<Self>,
        url: AgentUrl,
        limit: RetryLimit,
        connecting: Arc<Connecting>,
    ) -> ConnectId {
        if url.address() == &self.address {
            let type_name = self.agent(url.aid()).map(|agent| Arc::from(agent.type_name()));
            return self
                .update(|state, _| state.container.connect_here(url, type_name, connecting));
        }
        let address = url.address().clone();
        self.update(|state, now| {
            let id = state.container.connect(now, url, limit, connecting.clone());
            // The call may have joined a running search.
            connecting.attempt(state.container.dialling(&address).0);
            id
        })
    }

    pub(super) fn cancel_connect(self: &Arc<Self>, id: ConnectId) {
        self.update(|state, _| state.container.cancel(id));
    }

    fn drive(self: &Arc<Self>) {
        loop {
            let step = {
                let mut state = lock(&self.state);
                let container = &mut state.container;
                let action = container.poll_action().map(Step::Execute);
                match action.or_else(|| container.poll_event().map(Step::Event)) {
                    Some(step) => step,
                    None => {
                        state.running = false;
                        let timeout = state.container.poll_timeout();
                        let earlier = timeout
                            .is_some_and(|at| state.timeout.is_none_or(|waits_for| at < waits_for));
                        let task = (earlier || state.stopped).then(|| state.task.take());
                        drop(state);
                        wake_all(task.flatten());
                        return;
                    }
                }
            };
            // The runtime may panic, for example if it cannot be called from this thread. The remaining steps still
            // run; the guard of the failed step undoes it.
            undisturbed(|| match step {
                Step::Execute(action) => self.execute(action),
                Step::Event(event) => self.on_event(event),
            });
        }
    }

    fn on_event(&self, event: ContainerEvent<Arc<Connecting>>) {
        match event {
            ContainerEvent::Connected { ctx, remote, .. } => ctx.end(Ok(remote)),
            ContainerEvent::Failed { ctx, error: ConnectError::Refused(refusal), .. } => {
                let error = match lock(&self.state).refused(refusal) {
                    Error::Container(refusal) => ConnectError::Refused(refusal).into(),
                    error => error,
                };
                ctx.end(Err(error));
            }
            ContainerEvent::Failed { ctx, error, .. } => ctx.end(Err(error.into())),
            ContainerEvent::Stopped => lock(&self.state).stopped = true,
        }
    }

    fn execute(self: &Arc<Self>, action: Action) {
        match action {
            Action::Dial { id, address } => {
                let dialling = DialAttempt { container: Some(self.clone()), id };
                let searches: Vec<_> = {
                    let state = lock(&self.state);
                    let (attempts, searches) = state.container.dialling(&address);
                    searches.map(|search| (attempts, search.clone())).collect()
                };
                searches.iter().for_each(|(attempts, search)| search.attempt(*attempts));
                let config = lock(&self.settings).config.clone();
                let attempt = Dial::start(
                    || self.host.clone(),
                    &address,
                    || lock(&self.state).container.dialling(&address).0,
                );
                let dial = Stream::dial(self.host.clone(), address, &config.limits);
                let (canceller, task) = cancellable(async move {
                    let result = dial.await;
                    dialling.end(result, attempt);
                });
                lock(&self.state).dials.insert(id, canceller);
                self.host.spawn(task);
            }
            Action::CancelDial { id } => {
                let cancelled = lock(&self.state).dials.remove(&id);
                drop(cancelled);
            }
            Action::Validate { conn, aid, ticket } => self.validate(conn, &aid, ticket),
            Action::CancelValidate { ticket, .. } => {
                let cancelled = lock(&self.state).questions.remove(&ticket);
                drop(cancelled);
            }
            Action::Close { conn } => {
                let (connection, how) = {
                    let state = lock(&self.state);
                    // Before shutdown, only a connection that came too late for its callers is closed.
                    (state.connection(conn), state.connections.closing().unwrap_or(Close::Now))
                };
                if let Some(connection) = connection {
                    connection.close(how);
                }
            }
        }
    }

    fn dialled(self: &Arc<Self>, id: DialId, result: std::io::Result<Stream>, attempt: Dial) {
        match result {
            Ok(stream) => {
                attempt.opened();
                let connection = self.connection(&stream, Side::Dialler);
                self.update(|state, now| {
                    state.connections.insert(connection.clone());
                    state.container.handle_dialled(now, id, Ok(ConnId(connection.id())));
                    state.dials.remove(&id)
                });
                self.hooks.connected(&connection);
                stream.start(connection);
            }
            Err(error) => {
                let error = DialError::from(error);
                let (wait, _ended) = self.update(|state, now| {
                    state.container.handle_dialled(now, id, Err(error.clone()));
                    let wait = attempt.wait(now, |address| state.container.retry_at(address));
                    (wait, state.dials.remove(&id))
                });
                attempt.failed(&error, wait);
            }
        }
    }

    fn connection(self: &Arc<Self>, stream: &Stream, side: Side) -> Arc<Connection> {
        let id = lock(&self.state).connections.next_id();
        let settings = lock(&self.settings).clone();
        settings.connection(stream, side, id, false, Arc::new(AgentsHandler::new(self.clone())))
    }

    /// Handles an accepted stream.
    pub(super) fn accepted(self: &Arc<Self>, stream: Stream) {
        let connection = self.connection(&stream, Side::Listener);
        let accepted = self.update(|state, now| {
            state.container.handle_accepted(now, ConnId(connection.id()))?;
            state.connections.insert(connection.clone());
            Ok::<_, ContainerError>(())
        });
        // After shutdown the stream is dropped, which closes it.
        if accepted.is_ok() {
            self.hooks.connected(&connection);
            stream.start(connection);
        }
    }

    pub(super) fn connection_closing(self: &Arc<Self>, connection: &Connection) {
        let (conn, reason) = (ConnId(connection.id()), connection.ending());
        self.update(|state, now| {
            state.container.handle_closing(now, conn, reason);
        });
    }

    pub(super) fn connection_closed(
        self: &Arc<Self>,
        connection: &Arc<Connection>,
        reason: &CloseReason,
    ) {
        let (id, stats) = (connection.id(), connection.stats());
        self.update(|state, now| {
            state.connections.remove(id, reason, stats);
            state.container.handle_closed(now, ConnId(id), reason.to_string());
        });
        self.hooks.disconnected(connection, reason);
    }

    /// Asks a peer for an agent.
    fn validate(self: &Arc<Self>, conn: ConnId, aid: &str, ticket: ValidateTicket) {
        let connection = lock(&self.state).connection(conn);
        let Some(connection) = connection else {
            let lost = ValidateError::Lost("it is closed".into());
            return self.validated(conn, ticket, Err(lost));
        };
        let call = Proxy::of_root(AnyConnection::of(connection.clone())).invoke(
            VALIDATE_AID,
            &(aid,),
            &(),
        );
        let asking = Validation { container: Some(self.clone()), conn, ticket };
        let (canceller, task) = cancellable(async move {
            let result = call.await.map(|TypeName(name)| name);
            let result = result.map_err(|error| match error {
                Error::Lost(_) => ValidateError::Lost(connection.ending().into()),
                Error::Refused(why @ CallRejected::Closed) => {
                    ValidateError::Lost(why.to_string().into())
                }
                error => ValidateError::Failed(error.to_string().into()),
            });
            asking.end(result);
        });
        lock(&self.state).questions.insert(ticket, canceller);
        self.host.spawn(task);
    }

    fn validated(
        self: &Arc<Self>,
        conn: ConnId,
        ticket: ValidateTicket,
        result: Result<Option<String>, ValidateError>,
    ) {
        self.update(|state, now| {
            state.container.handle_validated(now, conn, ticket, result);
            state.questions.remove(&ticket)
        });
    }
}

/// A dial attempt. Its end, however it comes, is reported to the waiting callers.
struct DialAttempt {
    /// `None` after the end.
    container: Option<Arc<ContainerShared>>,
    id: DialId,
}

impl DialAttempt {
    fn end(mut self, result: std::io::Result<Stream>, attempt: Dial) {
        if let Some(container) = self.container.take() {
            container.dialled(self.id, result, attempt);
        }
    }
}

impl Drop for DialAttempt {
    /// Fails the attempt if the runtime ended or panicked. A cancelled attempt is left alone.
    fn drop(&mut self) {
        let Some(container) = self.container.take() else { return };
        let error = DialError::from(std::io::Error::other(GONE));
        let _ended = container.update(|state, now| {
            state.container.handle_dialled(now, self.id, Err(error));
            state.dials.remove(&self.id)
        });
    }
}

/// A request that asks a peer for an agent. Its end, however it comes, is reported to the waiting callers.
struct Validation {
    /// `None` after the end.
    container: Option<Arc<ContainerShared>>,
    conn: ConnId,
    ticket: ValidateTicket,
}

impl Validation {
    fn end(mut self, result: Result<Option<String>, ValidateError>) {
        if let Some(container) = self.container.take() {
            container.validated(self.conn, self.ticket, result);
        }
    }
}

impl Drop for Validation {
    /// Acts like that of [`DialAttempt`].
    fn drop(&mut self) {
        if let Some(container) = self.container.take() {
            let failed = Err(ValidateError::Failed(GONE.into()));
            container.validated(self.conn, self.ticket, failed);
        }
    }
}

/// The error of a container task that did not complete.
const GONE: &str = "the runtime has ended, or cannot run tasks";
