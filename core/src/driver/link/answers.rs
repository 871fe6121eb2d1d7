//! What is done about what the peer calls.

use std::borrow::Cow;
use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Instant;

use super::shared::{Link, State};
use crate::connection::{ReplyToken, Why};
use crate::driver::later::{Answer, Later, poll_guarded, poll_once, undisturbed};
use crate::driver::lock::lock;
use crate::driver::stop::Stop;
use crate::driver::trace;
use crate::driver::waits;
use crate::rpc::{Caller, Outcome};
use crate::wire::RemoteError;

impl Link {
    /// Who calls, and waits no longer than that.
    #[inline]
    pub(in crate::driver) fn caller_until(&self, deadline: Option<Instant>) -> Cow<'_, Caller> {
        match deadline {
            None => Cow::Borrowed(self.caller()),
            deadline => Cow::Owned(self.caller().clone().with_deadline(deadline)),
        }
    }

    /// Answers a request of the peer. If the connection is gone, so is the one who waits.
    pub(in crate::driver) fn respond(&self, token: ReplyToken, answer: &Answer) -> Result<(), Why> {
        let (_stop, sent) = self.command(|state| {
            let may_stop = self.may_stop(&token);
            let stop = may_stop.then(|| state.running.remove(&token.request()));
            (stop, state.connection.answer(self.now_for_end(state), token, answer))
        });
        trace::responded(self, &sent);
        sent
    }

    /// Leaves a request of the peer without an answer: nobody waits for one.
    pub(in crate::driver) fn ignore(&self, token: ReplyToken) {
        let _stop = self.command(|state| {
            let stop = state.running.remove(&token.request());
            let now = self.now_for_end(state);
            state.connection.ignore(now, token);
            stop
        });
    }

    /// Whether work for a request may be stopped before it ends.
    fn may_stop(&self, token: &ReplyToken) -> bool {
        token.is_cancellable() || self.cancels_orphans
    }

    /// What stops work for a request, if anything does.
    pub(in crate::driver) fn stop_of(&self, token: &ReplyToken) -> Option<Arc<Stop>> {
        self.may_stop(token).then(|| {
            let stop = Arc::<Stop>::default();
            let State { connection, running, .. } = &mut *lock(&self.state);
            // A request that is dealt with apart from the link's task may be over by now.
            let orphaned = self.cancels_orphans && !connection.has_input();
            if orphaned || connection.is_cancelled(token) {
                stop.stop();
            } else {
                running.insert(token.request(), stop.clone());
            }
            stop
        })
    }

    /// Sends what became of a call, now or later.
    pub(in crate::driver) fn settle(
        self: &Arc<Self>,
        token: ReplyToken,
        outcome: Outcome<Later>,
    ) -> Option<(ReplyToken, Answer)> {
        match outcome {
            Outcome::Done(answer) => Some((token, answer)),
            Outcome::Later(later) => self.finish(token, later),
            // `dispatch` turns them into failures.
            Outcome::NotFound | Outcome::NotExposed => {
                Some((token, Err(RemoteError::lookup("no method"))))
            }
        }
    }

    /// Lets a service finish what it answers later, in a task of its own, unless that is there at once.
    fn finish(
        self: &Arc<Self>,
        token: ReplyToken,
        mut later: Later,
    ) -> Option<(ReplyToken, Answer)> {
        // Polled at once, so that methods start in the order in which they were called.
        if let Poll::Ready(answer) = poll_once(&mut later) {
            return Some((token, answer));
        }
        let (link, stop) = (self.clone(), self.stop_of(&token));
        // It may go on when the connection is closed, and counts: or peers who call, go and come again would have any
        // number of methods running.
        let place = self.place.get().and_then(Weak::upgrade);
        self.host.spawn(Box::pin(async move {
            let _place = place;
            let answer = poll_fn(|cx| {
                if stop.as_ref().is_some_and(|stop| stop.poll(cx).is_ready()) {
                    return Poll::Ready(None);
                }
                let answer = poll_guarded(&mut later, cx);
                if answer.is_pending() {
                    let peer = link.peer().unwrap_or("a peer");
                    waits::note(|| format!("in a method that {peer} has called"));
                }
                answer.map(Some)
            })
            .await;
            match answer {
                // If the connection is gone, so is the one who waits.
                Some(answer) => drop(link.respond(token, &answer)),
                None => {
                    // It counts until it is gone.
                    undisturbed(|| drop(later));
                    link.ignore(token);
                }
            }
        }));
        None
    }
}
