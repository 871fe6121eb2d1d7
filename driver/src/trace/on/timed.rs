//! Spans that know how long they take, and texts that are safe to write.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Instant;

use tracing::Span;
use tracing::field::{DisplayValue, display};

use crate::host::Host;
use aiomas_core::rpc::{Caller, CallerId};
use aiomas_core::wire::Printable;

/// A span, and since when it is open.
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

    /// Notes how long it took, in seconds of the runtime's clock, and what has gone wrong.
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

/// Who calls.
pub(super) fn peer(caller: &Caller) -> Option<Shown<'_>> {
    // Our own agents have no address, and no connection either.
    let local = (caller.id == CallerId::Local).then_some("local");
    shown(caller.address.as_deref().or(local))
}

/// What the runtime says may have words of a peer in it.
pub(super) fn safe(error: &dyn Display) -> Printable<&dyn Display> {
    Printable(error)
}
