//! The control plane at work: dialling, validation, accepting, the end.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Instant;

use super::control::{Connecting, Control};
use super::inner::Inner;
use super::serve::{AgentsHandler, VALIDATE_AID};
use crate::agent::{
    Action, AgentUrl, ConnId, ConnectId, ContainerEvent, DialError, DialId, Patience, Refusal,
    ValidateError, ValidateTicket,
};
use crate::connection::{Close, CloseReason, Side, Why};
use crate::driver::cancel::cancellable;
use crate::driver::later::{guarded, poll_guarded};
use crate::driver::link::{Link, LinkConfig};
use crate::driver::lock::lock;
use crate::driver::origin::Origin;
use crate::driver::stream::Stream;
use crate::driver::trace::Dial;
use crate::driver::{Error, Proxy};
use crate::rpc::Outcome;
use crate::wire::RemoteError;

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
                        task.flatten().into_iter().for_each(Waker::wake);
                        return;
                    }
                }
            };
            match step {
                Step::Act(action) => self.carry_out(action),
                Step::Note(event) => self.note(event),
            }
        }
    }

    fn note(&self, event: ContainerEvent<Arc<Connecting>>) {
        match event {
            ContainerEvent::Connected { ctx, remote, .. } => ctx.end(Ok(remote)),
            ContainerEvent::Failed { ctx, error, .. } => ctx.end(Err(error)),
            ContainerEvent::Stopped => lock(&self.control).stopped = true,
        }
    }

    fn carry_out(self: &Arc<Self>, action: Action) {
        match action {
            Action::Dial { id, address } => {
                let this = self.clone();
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
                let (canceller, task) =
                    cancellable(async move { this.dialled(id, dial.await, attempt) });
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
                let (link, how) = {
                    let control = lock(&self.control);
                    (control.link(conn), control.how)
                };
                if let Some(link) = link {
                    link.close(how);
                }
            }
        }
    }

    fn dialled(self: &Arc<Self>, id: DialId, result: std::io::Result<Stream>, attempt: Dial) {
        match result {
            Ok(stream) => {
                attempt.opened();
                let link = self.link(&stream, Side::Dialler);
                self.control(|control, now| {
                    let conn = ConnId(link.caller().connection);
                    control.links.insert(conn, link.clone());
                    control.container.handle_dialled(now, id, Ok(conn));
                    control.dials.remove(&id)
                });
                self.hooks.connected(&link);
                stream.start(link);
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

    fn link(self: &Arc<Self>, stream: &Stream, side: Side) -> Arc<Link> {
        let id = {
            let mut control = lock(&self.control);
            control.next_conn += 1;
            control.next_conn
        };
        let config = LinkConfig {
            connection: lock(&self.config).clone(),
            heavy: self.heavy.clone(),
            side,
            caller: stream.caller(id),
            closes_unused: false,
            coalesces: self.coalesces,
            drain: self.drain,
            cancels_orphans: self.cancels_orphans,
        };
        let handler = Arc::new(AgentsHandler::new(self.clone()));
        Link::new(self.host.clone(), handler, config, |link| Arc::new(Origin::Link(link)))
    }

    /// A stream has come in.
    pub(super) fn accepted(self: &Arc<Self>, stream: Stream) {
        let link = self.link(&stream, Side::Listener);
        let accepted = self.control(|control, now| {
            let conn = ConnId(link.caller().connection);
            control.container.handle_accepted(now, conn)?;
            control.links.insert(conn, link.clone());
            Ok::<_, Refusal>(())
        });
        // If the container is shut down, the stream is dropped, and thereby closed.
        if accepted.is_ok() {
            self.hooks.connected(&link);
            stream.start(link);
        }
    }

    pub(super) fn link_closing(self: &Arc<Self>, link: &Link) {
        let (conn, reason) = (ConnId(link.caller().connection), link.ending());
        self.control(|control, now| {
            control.container.handle_closing(now, conn, reason);
        });
    }

    pub(super) fn link_closed(self: &Arc<Self>, link: &Arc<Link>, reason: &CloseReason) {
        let (conn, stats) = (ConnId(link.caller().connection), link.stats());
        self.control(|control, now| {
            control.links.remove(&conn);
            control.gone.end(reason, stats);
            control.container.handle_closed(now, conn, reason.to_string());
        });
        self.hooks.disconnected(link, reason);
    }

    /// Asks a peer for an agent.
    fn validate(self: &Arc<Self>, conn: ConnId, aid: &str, ticket: ValidateTicket) {
        let link = lock(&self.control).link(conn);
        let Some(link) = link else {
            let lost = ValidateError::Lost("it is closed".into());
            return self.validated(conn, ticket, Err(lost));
        };
        let call = Proxy::of_link(link.clone(), "").invoke(VALIDATE_AID, &(aid,), &());
        let this = self.clone();
        let (canceller, task) = cancellable(async move {
            let result = call.await.map_err(|error| match error {
                Error::Lost(_) => ValidateError::Lost(link.ending().into()),
                Error::Refused(why @ Why::Closed) => ValidateError::Lost(why.to_string().into()),
                error => ValidateError::Failed(error.to_string().into()),
            });
            this.validated(conn, ticket, result);
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

    pub(super) fn shutdown(self: &Arc<Self>, how: Close) {
        // No more streams come in.
        if let Some(listening) = &*lock(&self.listening) {
            listening.cancel();
        }
        self.control(|control, now| {
            if !control.container.is_shut_down() {
                control.how = how;
                control.container.shutdown(now);
            } else if how == Close::Now && control.how != Close::Now {
                // Somebody has lost patience with a shutdown that drains.
                control.how = how;
                return control.links.values().cloned().collect();
            }
            Vec::new()
        })
        .into_iter()
        .for_each(|link: Arc<Link>| link.close(how));
    }

    /// Watches the time until the container has stopped; then lets the agents end.
    pub(super) async fn watch(self: Arc<Self>) {
        let mut timer = self.host.timer();
        let mut due = None;
        poll_fn(|cx| {
            loop {
                let timeout = self.control(|control, now| {
                    if control.container.poll_timeout().is_some_and(|at| at <= now) {
                        control.container.handle_timeout(now);
                    }
                    control.task = Some(cx.waker().clone());
                    control.timeout = control.container.poll_timeout();
                    control.timeout
                });
                if lock(&self.control).stopped {
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
        self.end().await;
    }

    /// Lets the agents end, in the time that closing may take.
    async fn end(&self) {
        let listening = lock(&self.listening).take();
        if let Some(listening) = listening {
            listening.stop().await;
        }
        let agents: Vec<_> = self.agents_mut().drain().collect();
        let mut timer = self.host.timer();
        if let Some(at) = self.host.now().checked_add(self.drain) {
            timer.set(at);
        }
        let mut late = false;
        for (aid, resident) in agents {
            let text = format!("Name \"{aid}\" not found in \"agents\"");
            resident.desert(&RemoteError::lookup(text));
            if let Outcome::Later(mut later) = guarded(|| resident.stop()) {
                poll_fn(|cx| {
                    // There is nobody to tell of a failure.
                    let ended = poll_guarded(&mut later, cx).is_ready();
                    late = late || timer.poll(cx).is_ready();
                    if ended || late { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
            }
        }
        let waiting = {
            let mut control = lock(&self.control);
            control.ended = true;
            std::mem::take(&mut control.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }
}
