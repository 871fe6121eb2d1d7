//! The control plane at work: dialling, validation, accepting.

use std::sync::Arc;
use std::time::Instant;

use super::control::{Connecting, Control};
use super::inner::Inner;
use super::serve::{AgentsHandler, VALIDATE_AID};
use crate::cancel::cancellable;
use crate::connection::{Connection, ConnectionConfig};
use crate::contain::{undisturbed, wake_all};
use crate::lock::lock;
use crate::peer_context::PeerContext;
use crate::stream::Stream;
use crate::trace::Dial;
use crate::{Error, Proxy};
use aiomas_core::agent::{
    Action, AgentUrl, ConnId, ConnectError, ConnectId, ContainerError, ContainerEvent, DialError,
    DialId, Patience, ValidateError, ValidateTicket,
};
use aiomas_core::connection::{CallRejected, CloseReason, Side};
use aiomas_core::internal::TypeName;

enum Step {
    Act(Action),
    Note(ContainerEvent<Arc<Connecting>>),
}

impl Inner {
    /// Changes the state machine, and sees to what follows.
    pub(super) fn control<R>(self: &Arc<Self>, f: impl FnOnce(&mut Control, Instant) -> R) -> R {
        let now = self.host.now();
        let (result, acts) = {
            let mut control = lock(&self.control);
            let result = f(&mut control, now);
            // Otherwise, whoever is acting finds what this has caused.
            (result, !std::mem::replace(&mut control.acting, true))
        };
        if acts {
            self.act();
        }
        result
    }

    pub(super) fn connect(
        self: &Arc<Self>,
        url: AgentUrl,
        patience: Patience,
        connecting: Arc<Connecting>,
    ) -> ConnectId {
        let address = url.address().clone();
        self.control(|control, now| {
            let id = control.container.connect(now, url, patience, connecting.clone());
            // It may have joined a search that is under way.
            connecting.attempt(control.container.dialling(&address).0);
            id
        })
    }

    pub(super) fn abandon_connect(self: &Arc<Self>, id: ConnectId) {
        self.control(|control, _| control.container.abandon(id));
    }

    fn act(self: &Arc<Self>) {
        loop {
            let step = {
                let mut control = lock(&self.control);
                let container = &mut control.container;
                let action = container.poll_action().map(Step::Act);
                match action.or_else(|| container.poll_event().map(Step::Note)) {
                    Some(step) => step,
                    None => {
                        control.acting = false;
                        let timeout = control.container.poll_timeout();
                        let earlier = timeout.is_some_and(|at| {
                            control.timeout.is_none_or(|waits_for| at < waits_for)
                        });
                        let task = (earlier || control.stopped).then(|| control.task.take());
                        drop(control);
                        wake_all(task.flatten());
                        return;
                    }
                }
            };
            // The runtime may panic, such as one that cannot be called from this thread. All others that wait still
            // have their turn; what has panicked is undone by its guard.
            undisturbed(|| match step {
                Step::Act(action) => self.carry_out(action),
                Step::Note(event) => self.note(event),
            });
        }
    }

    fn note(&self, event: ContainerEvent<Arc<Connecting>>) {
        match event {
            ContainerEvent::Connected { ctx, remote, .. } => ctx.end(Ok(remote)),
            ContainerEvent::Failed { ctx, error: ConnectError::Refused(refusal), .. } => {
                let error = match lock(&self.control).refused(refusal) {
                    Error::Container(refusal) => ConnectError::Refused(refusal).into(),
                    error => error,
                };
                ctx.end(Err(error));
            }
            ContainerEvent::Failed { ctx, error, .. } => ctx.end(Err(error.into())),
            ContainerEvent::Stopped => lock(&self.control).stopped = true,
        }
    }

    fn carry_out(self: &Arc<Self>, action: Action) {
        match action {
            Action::Dial { id, address } => {
                let dialling = Dialling { container: Some(self.clone()), id };
                let searches: Vec<_> = {
                    let control = lock(&self.control);
                    let (attempts, searches) = control.container.dialling(&address);
                    searches.map(|search| (attempts, search.clone())).collect()
                };
                searches.iter().for_each(|(attempts, search)| search.attempt(*attempts));
                let config = lock(&self.config).clone();
                let attempt = Dial::start(
                    || self.host.clone(),
                    &address,
                    || lock(&self.control).container.dialling(&address).0,
                );
                let dial = self.host.dial(address, &config.limits);
                let (canceller, task) = cancellable(async move {
                    let result = dial.await;
                    dialling.end(result, attempt);
                });
                lock(&self.control).dials.insert(id, canceller);
                self.host.spawn(task);
            }
            Action::CancelDial { id } => {
                let cancelled = lock(&self.control).dials.remove(&id);
                drop(cancelled);
            }
            Action::Validate { conn, aid, ticket } => self.validate(conn, &aid, ticket),
            Action::CancelValidate { ticket, .. } => {
                let cancelled = lock(&self.control).questions.remove(&ticket);
                drop(cancelled);
            }
            Action::Close { conn } => {
                let (connection, how) = {
                    let control = lock(&self.control);
                    (control.connection(conn), control.how)
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
                self.control(|control, now| {
                    let conn = ConnId(connection.caller().connection);
                    control.connections.insert(conn, connection.clone());
                    control.container.handle_dialled(now, id, Ok(conn));
                    control.dials.remove(&id)
                });
                self.hooks.connected(&connection);
                stream.start(connection);
            }
            Err(error) => {
                let error = DialError::from(error);
                let (wait, _ended) = self.control(|control, now| {
                    control.container.handle_dialled(now, id, Err(error.clone()));
                    let wait = attempt.wait(now, |address| control.container.retry_at(address));
                    (wait, control.dials.remove(&id))
                });
                attempt.failed(&error, wait);
            }
        }
    }

    fn connection(self: &Arc<Self>, stream: &Stream, side: Side) -> Arc<Connection> {
        let id = {
            let mut control = lock(&self.control);
            control.next_conn += 1;
            control.next_conn
        };
        let config = ConnectionConfig {
            config: lock(&self.config).clone(),
            heavy: self.heavy.clone(),
            side,
            caller: stream.caller(id),
            closes_unused: false,
            coalesces: self.coalesces,
            drain: self.drain,
            cancels_orphans: self.cancels_orphans,
        };
        let handler = Arc::new(AgentsHandler::new(self.clone()));
        Connection::new(self.host.clone(), handler, config, |connection| {
            Arc::new(PeerContext::Connection(connection))
        })
    }

    /// A stream has come in.
    pub(super) fn accepted(self: &Arc<Self>, stream: Stream) {
        let connection = self.connection(&stream, Side::Listener);
        let accepted = self.control(|control, now| {
            let conn = ConnId(connection.caller().connection);
            control.container.handle_accepted(now, conn)?;
            control.connections.insert(conn, connection.clone());
            Ok::<_, ContainerError>(())
        });
        // If the container is shut down, the stream is dropped, and thereby closed.
        if accepted.is_ok() {
            self.hooks.connected(&connection);
            stream.start(connection);
        }
    }

    pub(super) fn connection_closing(self: &Arc<Self>, connection: &Connection) {
        let (conn, reason) = (ConnId(connection.caller().connection), connection.ending());
        self.control(|control, now| {
            control.container.handle_closing(now, conn, reason);
        });
    }

    pub(super) fn connection_closed(
        self: &Arc<Self>,
        connection: &Arc<Connection>,
        reason: &CloseReason,
    ) {
        let (conn, stats) = (ConnId(connection.caller().connection), connection.stats());
        self.control(|control, now| {
            control.connections.remove(&conn);
            control.gone.end(reason, stats);
            control.container.handle_closed(now, conn, reason.to_string());
        });
        self.hooks.disconnected(connection, reason);
    }

    /// Asks a peer for an agent.
    fn validate(self: &Arc<Self>, conn: ConnId, aid: &str, ticket: ValidateTicket) {
        let connection = lock(&self.control).connection(conn);
        let Some(connection) = connection else {
            let lost = ValidateError::Lost("it is closed".into());
            return self.validated(conn, ticket, Err(lost));
        };
        let call = Proxy::of_connection(connection.clone(), "").invoke(VALIDATE_AID, &(aid,), &());
        let asking = Asking { container: Some(self.clone()), conn, ticket };
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
        lock(&self.control).questions.insert(ticket, canceller);
        self.host.spawn(task);
    }

    fn validated(
        self: &Arc<Self>,
        conn: ConnId,
        ticket: ValidateTicket,
        result: Result<Option<String>, ValidateError>,
    ) {
        self.control(|control, now| {
            control.container.handle_validated(now, conn, ticket, result);
            control.questions.remove(&ticket)
        });
    }
}

/// An attempt to open a connection. However it ends, those who wait for the connection hear so.
struct Dialling {
    /// Until it has ended.
    container: Option<Arc<Inner>>,
    id: DialId,
}

impl Dialling {
    fn end(mut self, result: std::io::Result<Stream>, attempt: Dial) {
        if let Some(container) = self.container.take() {
            container.dialled(self.id, result, attempt);
        }
    }
}

impl Drop for Dialling {
    /// The runtime has ended, or has panicked. If the attempt was given up, nothing happens.
    fn drop(&mut self) {
        let Some(container) = self.container.take() else { return };
        let error = DialError::from(std::io::Error::other(GONE));
        let _ended = container.control(|control, now| {
            control.container.handle_dialled(now, self.id, Err(error));
            control.dials.remove(&self.id)
        });
    }
}

/// A question to a peer for an agent. However it ends, those who wait for the agent hear so.
struct Asking {
    /// Until it has ended.
    container: Option<Arc<Inner>>,
    conn: ConnId,
    ticket: ValidateTicket,
}

impl Asking {
    fn end(mut self, result: Result<Option<String>, ValidateError>) {
        if let Some(container) = self.container.take() {
            container.validated(self.conn, self.ticket, result);
        }
    }
}

impl Drop for Asking {
    /// As that of [`Dialling`].
    fn drop(&mut self) {
        if let Some(container) = self.container.take() {
            let failed = Err(ValidateError::Failed(GONE.into()));
            container.validated(self.conn, self.ticket, failed);
        }
    }
}

/// Why a task of the container has not come to its end.
const GONE: &str = "the runtime has ended, or cannot run tasks";
