//! Calls over a connection: making, queueing, answering and cancelling them.

use std::task::{Context, Poll};
use std::time::Instant;

use super::shared::{Connection, State};
use super::slots::SlotKey;
use crate::Error;
use crate::contain::wake_all;
use crate::lock::lock;
use aiomas_core::connection::{CallError, CallId, CallOptions, CallRejected, CloseReason, Refused};
use aiomas_core::internal::{Scratch, blob};
use aiomas_core::wire::{Body, CodecContext, CodecError, Format, Payload};

/// A rejected call.
pub(crate) struct NotSent {
    pub(crate) why: CallRejected,
    /// The content, if only room was lacking: the call may wait for room.
    pub(crate) body: Option<Body>,
}

impl From<CallRejected> for NotSent {
    #[cold]
    fn from(why: CallRejected) -> Self {
        Self { why, body: None }
    }
}

impl Connection {
    /// Makes a call whose content `encode` appends. Returns the slot of the answer.
    ///
    /// User code encodes the content, so it runs without the lock. If Hello changes the format meanwhile, the content
    /// is encoded again.
    pub(crate) fn call(
        &self,
        options: CallOptions,
        encode: impl Fn(Format, &CodecContext, &mut Vec<u8>) -> Result<(), CodecError>,
    ) -> Result<SlotKey, NotSent> {
        loop {
            let format = self.format();
            let content = Scratch::encode(format, |out| encode(format, self.codec_context(), out))
                .map_err(CallRejected::Codec)?;
            let (sent, content) = match content.few() {
                Some(bytes) => {
                    let sent = self.command(|state| {
                        state.send_few(self.now_for(state, options), format, bytes, options)
                    });
                    (sent, Err(content))
                }
                None => {
                    let body = content.into_body();
                    let sent = self
                        .command(|state| state.send(self.now_for(state, options), &body, options));
                    (sent, Ok(body))
                }
            };
            match sent {
                Ok(key) => return Ok(key),
                Err(CallRejected::WrongFormat { .. }) => {}
                Err(why) if why.is_lack_of_room() => {
                    let body = content.unwrap_or_else(Scratch::into_body);
                    return Err(NotSent { why, body: Some(body) });
                }
                Err(why) => return Err(why.into()),
            }
        }
    }

    /// Returns the time for a call. Without a deadline, an old time suffices.
    #[inline]
    fn now_for(&self, state: &State, options: CallOptions) -> Instant {
        if options.timeout.is_some() { self.host.now() } else { state.now }
    }

    /// Returns the time for the end of a call.
    #[inline]
    pub(super) fn now_for_end(&self, state: &State) -> Instant {
        if self.times_idleness { self.host.now() } else { state.now }
    }

    /// Tries to send a call that lacked room, or queues the task at `place`. The call ends at `deadline`.
    pub(crate) fn poll_send(
        &self,
        cx: &Context<'_>,
        body: &mut Body,
        deadline: Option<Instant>,
        place: &mut Option<u64>,
    ) -> Poll<Result<SlotKey, Error>> {
        let sent = self.command(|state| {
            let now = if deadline.is_some() { self.host.now() } else { state.now };
            let mut options = CallOptions::default();
            options.timeout = deadline.map(|at| at.saturating_duration_since(now));
            let mut sent = state.send(now, body, options);
            if let Err(CallRejected::WrongFormat { wanted, .. }) = sent {
                // The codec has changed since. The content no longer contains user code.
                let mut content = Vec::new();
                let appended = append(body, wanted, self.codec_context(), &mut content);
                sent = appended.map_err(CallRejected::Codec).and_then(|()| {
                    *body = Body::from_encoded(wanted, content.into());
                    state.send(now, body, options)
                });
            }
            match sent {
                Err(why) if why.is_lack_of_room() => {
                    state.sends.wait(place, cx.waker());
                    Poll::Pending
                }
                sent => {
                    state.sends.release(place);
                    Poll::Ready(sent)
                }
            }
        });
        sent.map(|sent| sent.map_err(|why| self.refusal(why)))
    }

    /// Returns the error of a rejected call. With TLS 1.3, a client learns of its refusal only after its handshake:
    /// callers then need that reason.
    #[cold]
    pub(crate) fn refusal(&self, why: CallRejected) -> Error {
        match lock(&self.state).machine.close_reason() {
            Some(reason @ CloseReason::Tls(_)) if why == CallRejected::Closed => {
                Error::Lost(reason.clone())
            }
            _ => why.into(),
        }
    }

    /// Cancels a call that waits for room at `place`. If its turn had come, the next call takes the turn.
    pub(crate) fn cancel_send(&self, place: &mut Option<u64>) {
        let next = {
            let sends = &mut lock(&self.state).sends;
            if place.is_none() || sends.release(place) { None } else { sends.next() }
        };
        wake_all(next);
    }

    #[inline]
    pub(crate) fn poll_answer(
        &self,
        key: SlotKey,
        cx: &Context<'_>,
    ) -> Poll<Result<Payload, CallError>> {
        lock(&self.state).slots.poll(key, cx)
    }

    /// Cancels a sent call.
    pub(crate) fn cancel(&self, key: SlotKey) {
        let room = self.command(|state| {
            let id = state.slots.cancel(key)?;
            let now = self.now_for_end(state);
            state.machine.cancel(now, id);
            state.sends.next()
        });
        wake_all(room);
    }

    /// Returns the id of an unanswered call.
    pub(crate) fn call_id(&self, key: SlotKey) -> Option<CallId> {
        lock(&self.state).slots.id(key)
    }

    /// Returns the peer's address, for texts.
    pub(crate) fn peer_name(&self) -> &str {
        self.peer().unwrap_or("a peer without an address")
    }
}

impl State {
    /// Sends a call with copied content, which is cheaper than a body for few bytes.
    #[inline]
    fn send_few(
        &mut self,
        now: Instant,
        format: Format,
        content: &[u8],
        options: CallOptions,
    ) -> Result<SlotKey, CallRejected> {
        let wanted = self.machine.codec().format();
        if format != wanted {
            return Err(CallRejected::WrongFormat { given: format, wanted });
        }
        let key = self.slots.next();
        let call = self.machine.call_with(now, options, key, |_, _, out| {
            out.extend_from_slice(content);
            Ok(())
        });
        self.in_slot(key, call)
    }

    fn send(
        &mut self,
        now: Instant,
        body: &Body,
        options: CallOptions,
    ) -> Result<SlotKey, CallRejected> {
        let key = self.slots.next();
        let call = self.machine.call_body(now, body, options, key);
        self.in_slot(key, call)
    }

    #[inline]
    fn in_slot(
        &mut self,
        key: SlotKey,
        call: Result<CallId, Refused<SlotKey>>,
    ) -> Result<SlotKey, CallRejected> {
        self.slots.insert(call.map_err(|refused| refused.why)?);
        Ok(key)
    }
}

/// Appends content that was encoded before, perhaps in another format.
pub(crate) fn append(
    body: &Body,
    format: Format,
    codec_context: &CodecContext,
    out: &mut Vec<u8>,
) -> Result<(), CodecError> {
    if format == body.format() {
        body.for_each_part(|bytes, shared| {
            if !shared.is_some_and(|shared| blob::leave_out(out, shared)) {
                out.extend_from_slice(bytes);
            }
        });
        return Ok(());
    }
    body.translate(format, codec_context, out)
}
