//! When a call has taken too long.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::Error;
use super::host::Host;
use super::transport::Timer;
use aiomas_core::connection::CallOptions;

/// The end of a call's time, for calls that no connection watches.
pub(super) struct Deadline {
    pub(super) at: Instant,
    /// How long the call may take.
    after: Duration,
    host: Arc<dyn Host>,
    /// Set when it is waited for: most calls have their answer before.
    timer: Option<Box<dyn Timer>>,
}

impl Deadline {
    /// The deadline of a call that is made now, if it has one.
    pub(super) fn of_call(host: Arc<dyn Host>, options: CallOptions) -> Option<Self> {
        let after = options.timeout?;
        let at = host.now().checked_add(after)?;
        Some(Self::new(host, at, after))
    }

    /// The deadline of a call that may take until `at`, which is so long `after` it was made.
    pub(super) fn new(host: Arc<dyn Host>, at: Instant, after: Duration) -> Self {
        Self { at, after, host, timer: None }
    }

    /// When it is, and after which time.
    pub(super) const fn time(&self) -> (Instant, Duration) {
        (self.at, self.after)
    }

    /// Waits for it, and returns the error of the call then.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, sent: bool) -> Poll<Error> {
        let timer = self.timer.get_or_insert_with(|| {
            let mut timer = self.host.timer();
            timer.set(self.at);
            timer
        });
        timer.poll(cx).map(|()| self.error(sent))
    }

    /// The error of a call that has taken too long.
    pub(super) const fn error(&self, sent: bool) -> Error {
        Error::TimedOut { after: self.after, sent }
    }
}
