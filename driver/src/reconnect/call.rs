//! A call over a line.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use super::shared::{Deadline, ReconnectShared, Started};
use crate::Error;
use crate::connection::{Attempt, Connection, SlotKey};
use crate::local_dispatch::Encode;
use crate::transport::Timer;
use aiomas_core::connection::{CallOptions, CallRejected};
use aiomas_core::wire::Body;

/// A call that has been made on a line.
pub(crate) enum Made {
    /// It is on its way, and that is all: as if there were no line.
    Sent(Arc<Connection>, SlotKey),
    /// It may have to be sent yet, or again.
    Kept(Box<ReconnectingCall>, Option<Started>),
}

/// A call that may have to be sent yet, or again.
pub(crate) struct ReconnectingCall {
    reconnecting: Arc<ReconnectShared>,
    /// Its place among the calls that wait.
    order: u64,
    body: Body,
    deadline: Option<Deadline>,
    /// Set while it waits, if it has a deadline.
    timer: Option<Box<dyn Timer>>,
    repeats: Option<Repeats>,
    /// It was lost when it had been sent, or may have been.
    was_sent: bool,
}

/// It may be made again if it is lost.
struct Repeats {
    until: Option<Instant>,
}

impl ReconnectingCall {
    /// Makes a call whose content `encode` appends.
    pub(crate) fn make(
        reconnecting: &Arc<ReconnectShared>,
        options: CallOptions,
        idempotent: bool,
        encode: &Encode<'_>,
    ) -> Result<Made, Error> {
        if !idempotent && let Some(connection) = reconnecting.free_connection() {
            match connection.call(options, encode) {
                Ok(Attempt::Sent(key)) => return Ok(Made::Sent(connection, key)),
                Ok(Attempt::Waits(unsent)) => {
                    let call = Self::new(reconnecting, unsent.body().clone(), options, idempotent);
                    return Ok(Made::Kept(call.into(), Some((connection, Attempt::Waits(unsent)))));
                }
                Err(CallRejected::Closed) => {}
                Err(why) => return Err(why.into()),
            }
        }
        let call = Self::new(reconnecting, reconnecting.encode(encode)?, options, idempotent);
        let started = call.begin()?;
        Ok(Made::Kept(call.into(), started))
    }

    fn new(
        reconnecting: &Arc<ReconnectShared>,
        body: Body,
        options: CallOptions,
        idempotent: bool,
    ) -> Self {
        let now = reconnecting.host.now();
        let deadline =
            options.timeout.and_then(|after| Some(Deadline { at: now.checked_add(after)?, after }));
        let until = options.timeout.unwrap_or(reconnecting.within);
        let repeats = idempotent.then(|| Repeats { until: now.checked_add(until) });
        let order = reconnecting.next_order();
        Self {
            reconnecting: reconnecting.clone(),
            order,
            body,
            deadline,
            timer: None,
            repeats,
            was_sent: false,
        }
    }

    /// Sends it, or lets it wait.
    fn begin(&self) -> Result<Option<Started>, Error> {
        if let Some(connection) = self.reconnecting.free_connection() {
            match self.reconnecting.send(&connection, &self.body, self.deadline) {
                Err(Error::Refused(CallRejected::Closed)) => {}
                sent => return sent.map(|attempt| Some((connection, attempt))),
            }
        }
        self.reconnecting.enqueue(self.order, &self.body, self.deadline)?;
        Ok(None)
    }

    /// Waits until it is sent.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Started, Error>> {
        if let Poll::Ready(result) = self.reconnecting.poll(self.order, cx) {
            self.timer = None;
            return Poll::Ready(result);
        }
        let Some(Deadline { at, after }) = self.deadline else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| {
            let mut timer = self.reconnecting.host.timer();
            timer.set(at);
            timer
        });
        std::task::ready!(timer.poll(cx));
        self.reconnecting.cancel(self.order);
        Poll::Ready(Err(Error::TimedOut { after, sent: self.was_sent }))
    }

    /// It was sent, or almost, and this came of it. Does it again, if it may.
    pub(crate) fn go_on(&mut self, error: Error) -> Result<Option<Started>, Error> {
        self.was_sent |= matches!(error, Error::Lost(_));
        let again = match (&error, &self.repeats) {
            // It was not sent.
            (Error::Refused(CallRejected::Closed), _) => true,
            (Error::Lost(_), Some(Repeats { until })) => {
                until.is_none_or(|until| self.reconnecting.host.now() < until)
            }
            (Error::TimedOut { .. }, _) => return Err(self.timed_out(error)),
            _ => false,
        };
        if !again {
            return Err(error);
        }
        self.begin().map_err(|new| match new {
            Error::TimedOut { .. } => self.timed_out(new),
            _ => error,
        })
    }

    /// In the whole time that it was given.
    fn timed_out(&self, error: Error) -> Error {
        let sent = self.was_sent || matches!(error, Error::TimedOut { sent: true, .. });
        self.deadline.map_or(error, |Deadline { after, .. }| Error::TimedOut { after, sent })
    }

    /// It is waited for no more.
    pub(crate) fn cancel(&self) {
        self.reconnecting.cancel(self.order);
    }

    /// Whom it calls.
    pub(crate) fn peer(&self) -> String {
        self.reconnecting.connection().peer().unwrap_or("a peer without an address").to_owned()
    }
}
