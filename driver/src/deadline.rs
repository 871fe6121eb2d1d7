//! Deadlines of calls.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::Error;
use super::host::Host;
use super::transport::Timer;
use aiomas_core::connection::CallOptions;

/// The deadline of a call that no connection watches.
pub(super) struct Deadline {
    pub(super) at: Instant,
    /// The time allowed for the call.
    after: Duration,
    host: Arc<dyn Host>,
    /// Created by the first wait: most calls are answered before.
    timer: Option<Box<dyn Timer>>,
}

impl Deadline {
    /// Returns the deadline of a call made now, if it has a timeout.
    pub(super) fn of_call(host: Arc<dyn Host>, options: CallOptions) -> Option<Self> {
        let after = options.timeout?;
        let at = host.now().checked_add(after)?;
        Some(Self::new(host, at, after))
    }

    /// Creates the deadline `at`, a time of `after` since the call was made.
    pub(super) fn new(host: Arc<dyn Host>, at: Instant, after: Duration) -> Self {
        Self { at, after, host, timer: None }
    }

    /// Returns the deadline, and the time allowed.
    pub(super) const fn time(&self) -> (Instant, Duration) {
        (self.at, self.after)
    }

    /// Waits for the deadline, and returns the error of the call.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, sent: bool) -> Poll<Error> {
        let timer = self.timer.get_or_insert_with(|| {
            let mut timer = self.host.timer();
            timer.set(self.at);
            timer
        });
        timer.poll(cx).map(|()| self.error(sent))
    }

    /// Returns the error of a call that timed out.
    pub(super) const fn error(&self, sent: bool) -> Error {
        Error::TimedOut { after: self.after, sent }
    }
}
