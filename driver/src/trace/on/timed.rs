//! Spans that measure their duration, and texts that are safe to log.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Instant;

use tracing::Span;
use tracing::field::{DisplayValue, display};

use crate::host::Host;
use aiomas_core::rpc::{Caller, CallerId};
use aiomas_core::wire::Printable;

/// A span with its start time.
pub(super) struct Timed {
    pub(super) span: Span,
    since: Instant,
    host: Arc<dyn Host>,
}

impl Timed {
    pub(super) fn start(span: Span, host: impl FnOnce() -> Arc<dyn Host>) -> Option<Self> {
        if span.is_disabled() {
            return None;
        }
        let host = host();
        Some(Self { span, since: host.now(), host })
    }

    /// Records the duration in seconds of the runtime's clock, and the error. Returns the duration.
    pub(super) fn end(&self, error: Option<&dyn Display>) -> f64 {
        let elapsed = seconds(&*self.host, self.since);
        self.span.record("elapsed", elapsed);
        if let Some(error) = error {
            self.span.record("error", display(error));
            self.span.record("otel.status_code", "ERROR");
        }
        elapsed
    }
}

pub(super) fn seconds(host: &dyn Host, since: Instant) -> f64 {
    host.now().saturating_duration_since(since).as_secs_f64()
}

pub(super) type Shown<'a> = DisplayValue<Printable<&'a str>>;

pub(super) fn shown(text: Option<&str>) -> Option<Shown<'_>> {
    text.map(|text| display(Printable(text)))
}

/// Returns the caller's address in printable form.
pub(super) fn peer(caller: &Caller) -> Option<Shown<'_>> {
    // Our own agents have neither an address nor a connection.
    let local = (caller.id == CallerId::Local).then_some("local");
    shown(caller.address.as_deref().or(local))
}

/// Makes an error of the runtime safe to print: it may contain words of a peer.
pub(super) fn safe(error: &dyn Display) -> Printable<&dyn Display> {
    Printable(error)
}
