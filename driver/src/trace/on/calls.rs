//! Calls and requests: their spans, and the events within them.

use std::fmt::Display;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tracing::field::{Empty, display};
use tracing::{Level, Span, debug, debug_span, enabled, trace, warn};

use super::rate;
use super::timed::{Timed, peer, shown};
use crate::Error;
use crate::contain::Contained;
use crate::host::{Callee, Host};
use crate::later::{Answer, Later};
use aiomas_core::connection::{CallId, ReplyToken};
use aiomas_core::rpc::{Caller, Outcome, Path, RequestError};
use aiomas_core::wire::Printable;
use aiomas_core::wire::{CodecError, MessageId, Payload, RemoteError};

const CALL: &str = "aiomas::call";
const REQUEST: &str = "aiomas::request";

/// The number of bytes shown of an id that is not a number.
const MAX_ID: usize = 64;

/// The span of a call, on the caller's side, until the call ends.
pub(crate) struct CallSpan(Option<Box<Timed>>);

/// Opens the span of a call of `method` in `service`. One of them may be the whole path. `callee` returns the callee,
/// if it has one, with the clock for the call.
#[inline]
pub(crate) fn call(
    service: &str,
    method: &str,
    callee: impl FnOnce() -> Option<Callee>,
) -> CallSpan {
    if !enabled!(target: CALL, Level::DEBUG) {
        return CallSpan::NONE;
    }
    let Some((host, peer)) = callee() else { return CallSpan::NONE };
    let slash = if service.is_empty() { "" } else { "/" };
    let path = [service, slash, method].concat();
    let span = debug_span!(
        target: CALL,
        "call",
        otel.kind = "client",
        otel.status_code = Empty,
        peer = shown(peer.as_deref()),
        path = shown((!path.is_empty()).then_some(&*path)),
        id = Empty,
        elapsed = Empty,
        error = Empty,
    );
    CallSpan(Timed::start(span, || host).map(Box::new))
}

impl CallSpan {
    pub(crate) const NONE: Self = Self(None);

    /// Runs the code that makes the call within the span. A callee in the same container becomes part of the span.
    pub(crate) fn within<R>(&self, f: impl FnOnce() -> R) -> R {
        match &self.0 {
            Some(call) => call.span.in_scope(f),
            None => f(),
        }
    }

    /// Records the id once the call is sent. (If another thread has handled the answer already, the call has no id.)
    pub(crate) fn id(&self, id: impl FnOnce() -> Option<CallId>) {
        if let Some(call) = &self.0
            && let Some(id) = id()
        {
            call.span.record("id", id.get());
        }
    }

    pub(crate) fn end(&mut self, result: &Result<Payload, Error>) {
        let Some(call) = self.0.take() else { return };
        let error = result.as_ref().err();
        let elapsed = call.end(error.map(|error| error as &dyn Display));
        call.span.in_scope(|| match error {
            None => trace!(target: CALL, elapsed, "answered"),
            Some(error) => debug!(target: CALL, elapsed, %error, "failed"),
        });
    }

    pub(crate) fn given_up(&mut self) {
        let Some(call) = self.0.take() else { return };
        let elapsed = call.end(None);
        call.span.in_scope(|| debug!(target: CALL, elapsed, "given up"));
    }
}

/// The id of a request that came over a connection, or none.
#[derive(Clone, Copy)]
pub(crate) struct Id<'a>(Option<&'a MessageId>);

impl<'a> Id<'a> {
    pub(crate) const NONE: Self = Self(None);

    pub(crate) fn of(token: &'a ReplyToken) -> Self {
        Self(Some(token.message_id()))
    }

    fn record(self, span: &Span) {
        match self.0 {
            None => {}
            Some(MessageId::Number(number)) => drop(span.record("id", number)),
            Some(MessageId::Other(bytes)) => {
                let id = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_ID)]);
                span.record("id", display(Printable(&id)));
            }
        }
    }
}

fn request_span(caller: &Caller, path: Option<&Path<'_>>, id: Id<'_>) -> Span {
    let span = debug_span!(
        target: REQUEST,
        "request",
        otel.kind = "server",
        otel.status_code = Empty,
        peer = peer(caller),
        connection = caller.connection(),
        path = path.map(|path| display(Printable(path))),
        id = Empty,
        elapsed = Empty,
        error = Empty,
    );
    id.record(&span);
    span
}

/// Runs a peer's call within its span.
#[inline]
pub(crate) fn request(
    host: impl Fn() -> Arc<dyn Host>,
    caller: &Caller,
    id: Id<'_>,
    path: &Path<'_>,
    run: impl FnOnce() -> Outcome<Later>,
) -> Outcome<Later> {
    let span = Timed::start(request_span(caller, Some(path), id), &host);
    let span = RequestSpan(span.map(Box::new));
    let outcome = match &span.0 {
        Some(timed) => timed.span.in_scope(run),
        None => run(),
    };
    match outcome {
        Outcome::Done(answer) => {
            if let Err(error) = &answer {
                refused_call(host, caller, path, error);
            }
            let mut span = span;
            span.end(&answer);
            Outcome::Done(answer)
        }
        Outcome::Later(later) if span.0.is_some() => {
            Outcome::Later(Box::pin(Running { later: Some(Contained::new(later)), span }))
        }
        other => other,
    }
}

/// Reports a call that failed at once: it may have been refused.
#[cold]
fn refused_call(
    host: impl Fn() -> Arc<dyn Host>,
    caller: &Caller,
    path: &Path<'_>,
    error: &RemoteError,
) {
    if matches!(error.kind(), "PermissionError" | "OverloadedError")
        && enabled!(target: REQUEST, Level::WARN)
        && let Some(left_out) = rate::warning(&*host(), caller.address.as_deref(), "refused")
    {
        let (peer, path) = (peer(caller), Printable(path));
        warn!(target: REQUEST, peer, %path, %error, left_out, "refused");
    }
}

/// The span of a request in progress.
pub(crate) struct RequestSpan(Option<Box<Timed>>);

/// Opens the span of a channel's request.
pub(crate) fn received(
    host: impl FnOnce() -> Arc<dyn Host>,
    caller: &Caller,
    token: &ReplyToken,
) -> RequestSpan {
    let span = request_span(caller, None, Id::of(token));
    RequestSpan(Timed::start(span, host).map(Box::new))
}

impl RequestSpan {
    pub(crate) fn end(&mut self, answer: &Answer) {
        let Some(request) = self.0.take() else { return };
        let error = answer.as_ref().err();
        let elapsed = request.end(error.map(|error| error as &dyn Display));
        request.span.in_scope(|| match error {
            None => trace!(target: REQUEST, elapsed, "answered"),
            Some(error) => debug!(target: REQUEST, elapsed, %error, "failed"),
        });
    }
}

impl Drop for RequestSpan {
    /// Reports that no peer waits for the answer any more.
    fn drop(&mut self) {
        let Some(request) = self.0.take() else { return };
        let elapsed = request.end(None);
        request.span.in_scope(|| debug!(target: REQUEST, elapsed, "cancelled"));
    }
}

/// A method that runs, and is dropped, within its span.
struct Running {
    later: Option<Contained<Later>>,
    span: RequestSpan,
}

impl Future for Running {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Answer> {
        let Self { later, span } = &mut *self;
        let Some(running) = later else { return Poll::Pending };
        // A panic belongs to the span as well.
        let answer = {
            let _entered = span.0.as_ref().map(|timed| timed.span.enter());
            std::task::ready!(running.poll(cx)).and_then(|answer| answer)
        };
        span.end(&answer);
        Poll::Ready(answer)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _entered = self.span.0.as_ref().map(|timed| timed.span.enter());
        drop(self.later.take());
    }
}

/// Carries the current span into a task of its own.
pub(crate) fn carry(mut later: Later) -> Later {
    let span = Span::current();
    if span.is_disabled() {
        return later;
    }
    Box::pin(std::future::poll_fn(move |cx| span.in_scope(|| later.as_mut().poll(cx))))
}

/// Reports a malformed request.
#[cold]
pub(crate) fn malformed(
    host: impl FnOnce() -> Arc<dyn Host>,
    caller: &Caller,
    error: &RequestError,
) {
    if !enabled!(target: REQUEST, Level::WARN) {
        return;
    }
    let address = caller.address.as_deref();
    let Some(left_out) = rate::warning(&*host(), address, "no call") else { return };
    let limit = match error {
        RequestError::Codec(error) => CodecError::exceeded(error).map(|exceeded| exceeded.setting),
        _ => None,
    };
    warn!(target: REQUEST, peer = peer(caller), %error, limit, left_out, "no call");
}

/// Reports a panic of user code.
#[cold]
pub(crate) fn panicked(error: &RemoteError) {
    warn!(target: REQUEST, %error, "panicked");
}

/// Reports a failed hook whose error has no addressee.
#[cold]
pub(crate) fn hook_failed(hook: &str, error: &RemoteError) {
    warn!(target: REQUEST, hook, %error, "failed");
}
