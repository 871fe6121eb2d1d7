//! The answers to what the peer calls: at once, later, or none.

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
    /// Who calls, and waits no longer than that.
    #[inline]
    pub(crate) fn caller_until(&self, deadline: Option<Instant>) -> Cow<'_, Caller> {
        match deadline {
            None => Cow::Borrowed(self.caller()),
            deadline => Cow::Owned(self.caller().clone().with_deadline(deadline)),
        }
    }

    /// Answers a request of the peer. It fails if the connection is closed or the request cancelled: no peer waits then.
    pub(crate) fn respond(&self, token: ReplyToken, answer: &Answer) -> Result<(), CallRejected> {
        let (_stop, sent) = self.command(|state| {
            let may_stop = self.may_stop(&token);
            let stop = may_stop.then(|| state.running.remove(&token.request()));
            (stop, state.machine.answer(self.now_for_end(state), token, answer))
        });
        trace::responded(self, &sent);
        sent
    }

    /// Leaves a request of the peer without an answer.
    pub(crate) fn discard(&self, token: ReplyToken) {
        let _stop = self.command(|state| {
            let stop = state.running.remove(&token.request());
            let now = self.now_for_end(state);
            state.machine.discard(now, token);
            stop
        });
    }

    /// Whether work for a request may be stopped before it ends.
    fn may_stop(&self, token: &ReplyToken) -> bool {
        token.is_cancellable() || self.cancels_orphans
    }

    /// What stops work for a request, if anything does.
    pub(crate) fn stop_of(&self, token: &ReplyToken) -> Option<Arc<Stop>> {
        self.may_stop(token).then(|| {
            let stop = Arc::<Stop>::default();
            let State { machine, running, .. } = &mut *lock(&self.state);
            // A request that is dealt with apart from the connection's task may be over by now.
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

/// Turns the outcome of a request into its answer, or lets a task give that later.
#[inline]
pub(super) fn settle(
    connection: &Arc<Connection>,
    token: ReplyToken,
    outcome: Outcome<Later>,
) -> Option<(ReplyToken, Answer)> {
    match outcome {
        Outcome::Done(answer) => Some((token, answer)),
        Outcome::Later(later) => finish(connection, token, later),
        // `dispatch` turns them into failures.
        Outcome::NotFound | Outcome::NotExposed => {
            Some((token, Err(RemoteError::lookup("no method"))))
        }
    }
}

/// Lets a method finish in a task of its own, unless it has its answer when it is polled first.
fn finish(
    connection: &Arc<Connection>,
    token: ReplyToken,
    later: Later,
) -> Option<(ReplyToken, Answer)> {
    let endpoint = connection.handler.endpoint().map_or(EndpointId::NONE, Endpoint::id);
    let mut method = Running::new(later, endpoint);
    // Polled at once, so that methods start in the order in which they were called.
    if let Poll::Ready(answer) = method.poll_once() {
        return Some((token, answer));
    }
    let stopped = connection.stop_of(&token).map(Stop::stopped);
    // The method may go on when the connection is closed, and counts: or peers who call, go and come again would
    // have any number of methods running.
    let permit = connection.permit.get().and_then(Weak::upgrade);
    let request = Some((token, method));
    let connection = connection.clone();
    let host = connection.host.clone();
    host.spawn(Box::pin(Finishing { request, stopped, connection, _permit: permit }));
    None
}

/// The task of a method that was not done at once.
struct Finishing {
    /// Until it is answered.
    request: Option<(ReplyToken, Running)>,
    stopped: Option<Stopped>,
    connection: Arc<Connection>,
    /// Given back when the method is gone.
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
        // It counts until it is gone.
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
    /// The runtime may end before the method does. The caller must not wait for it then.
    fn drop(&mut self) {
        if let Some((token, method)) = self.request.take() {
            drop(method);
            let ended = RemoteError::new("RuntimeError", "the callee's runtime has ended");
            drop(self.connection.respond(token, &Err(ended)));
        }
    }
}
