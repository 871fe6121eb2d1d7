//! The answers to the peer's requests: immediate, later, or none.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Instant;

use super::shared::{Connection, State};
use crate::acceptor::AdmissionPermit;
use crate::endpoint::{Endpoint, EndpointId};
use crate::later::{Answer, Later, Running};
use crate::lock::lock;
use crate::stop::{Stop, Stopped};
use crate::trace;
use crate::waits;
use aiomas_core::connection::{CallRejected, ReplyToken};
use aiomas_core::rpc::{Caller, Outcome};
use aiomas_core::wire::RemoteError;

impl Connection {
    /// Returns the caller, with its deadline.
    #[inline]
    pub(crate) fn caller_until(&self, deadline: Option<Instant>) -> Cow<'_, Caller> {
        match deadline {
            None => Cow::Borrowed(self.caller()),
            deadline => Cow::Owned(self.caller().clone().with_deadline(deadline)),
        }
    }

    /// Answers a request of the peer. It fails if the connection is closed or the request cancelled: then no peer
    /// waits.
    pub(crate) fn respond(&self, token: ReplyToken, answer: &Answer) -> Result<(), CallRejected> {
        let (_stop, sent) = self.command(|state| {
            let may_stop = self.may_stop(&token);
            let stop = may_stop.then(|| state.running.remove(&token.request()));
            (stop, state.machine.answer(self.now_for_end(state), token, answer))
        });
        trace::responded(self, &sent);
        sent
    }

    /// Discards a request of the peer without an answer.
    pub(crate) fn discard(&self, token: ReplyToken) {
        let _stop = self.command(|state| {
            let stop = state.running.remove(&token.request());
            let now = self.now_for_end(state);
            state.machine.discard(now, token);
            stop
        });
    }

    /// Returns whether work for a request may be stopped early.
    fn may_stop(&self, token: &ReplyToken) -> bool {
        token.is_cancellable() || self.cancels_orphans
    }

    /// Returns the stop signal for the work of a request, if it may be stopped.
    pub(crate) fn stop_of(&self, token: &ReplyToken) -> Option<Arc<Stop>> {
        self.may_stop(token).then(|| {
            let stop = Arc::<Stop>::default();
            let State { machine, running, .. } = &mut *lock(&self.state);
            // A request handled apart from the connection's task may be over by now.
            let orphaned = self.cancels_orphans && !machine.has_input();
            if orphaned || machine.is_cancelled(token) {
                stop.stop();
            } else {
                running.insert(token.request(), stop.clone());
            }
            stop
        })
    }
}

/// Turns an outcome into the request's answer, or starts a task that answers later.
#[inline]
pub(super) fn settle(
    connection: &Arc<Connection>,
    token: ReplyToken,
    outcome: Outcome<Later>,
) -> Option<(ReplyToken, Answer)> {
    match outcome {
        Outcome::Done(answer) => Some((token, answer)),
        Outcome::Later(later) => finish(connection, token, later),
        // `dispatch` turns these outcomes into failures.
        Outcome::NotFound | Outcome::NotExposed => {
            Some((token, Err(RemoteError::lookup("no method"))))
        }
    }
}

/// Finishes a method in a task, unless its first poll returns the answer.
fn finish(
    connection: &Arc<Connection>,
    token: ReplyToken,
    later: Later,
) -> Option<(ReplyToken, Answer)> {
    let endpoint = connection.handler.endpoint().map_or(EndpointId::NONE, Endpoint::id);
    let mut method = Running::new(later, endpoint);
    // Polled at once, so that methods start in the order of their calls.
    if let Poll::Ready(answer) = method.poll_once() {
        return Some((token, answer));
    }
    let stopped = connection.stop_of(&token).map(Stop::stopped);
    // The method may outlive the connection, and still counts: otherwise peers that call, disconnect and reconnect
    // could have any number of running methods.
    let permit = connection.permit.get().and_then(Weak::upgrade);
    let request = Some((token, method));
    let connection = connection.clone();
    let host = connection.host.clone();
    host.spawn(Box::pin(Finishing { request, stopped, connection, _permit: permit }));
    None
}

/// The task of a method that did not complete at once.
struct Finishing {
    /// `None` once it is answered.
    request: Option<(ReplyToken, Running)>,
    stopped: Option<Stopped>,
    connection: Arc<Connection>,
    /// Released with the method.
    _permit: Option<Arc<AdmissionPermit>>,
}

impl Future for Finishing {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { request, stopped, connection, .. } = &mut *self;
        let Some((_, method)) = request else { return Poll::Ready(()) };
        let is_stopped = stopped.as_mut().is_some_and(|stopped| stopped.poll(cx).is_ready());
        let answer = if is_stopped { None } else { Some(method.poll(cx)) };
        if let Some(Poll::Pending) = answer {
            let peer = connection.peer().unwrap_or("a peer");
            waits::note(|| format!("in a method that {peer} has called"));
            return Poll::Pending;
        }
        let Some((token, method)) = request.take() else { return Poll::Ready(()) };
        // The method counts until it is dropped.
        drop(method);
        match answer {
            // If the connection is closed, its peer waits no more.
            Some(Poll::Ready(answer)) => drop(connection.respond(token, &answer)),
            _ => connection.discard(token),
        }
        Poll::Ready(())
    }
}

impl Drop for Finishing {
    /// Answers with a failure if the runtime ends before the method does. Without it, the caller would wait for ever.
    fn drop(&mut self) {
        if let Some((token, method)) = self.request.take() {
            drop(method);
            let ended = RemoteError::new("RuntimeError", "the callee's runtime has ended");
            drop(self.connection.respond(token, &Err(ended)));
        }
    }
}
