//! Time limits for a slow or silent peer.

use std::time::{Duration, Instant};

use super::event::{Due, TimeoutReason};
use super::{Connection, Side};

/// The incomplete frame at the end of the input.
#[derive(Clone, Copy, Debug)]
pub(super) struct Beginning {
    /// The number of frames including this one. Once more have arrived, the record is obsolete.
    pub(super) frame: u64,
    /// Since when the frame is known.
    pub(super) since: Instant,
    pub(super) received: usize,
}

impl<X> Connection<X> {
    /// Returns when the peer's time limits expire.
    pub(super) fn patience(&self) -> [Option<Due>; 4] {
        let limits = &self.config.limits;
        let due =
            |since: Instant, after: Duration, reason| Some((since.checked_add(after)?, reason));
        let frame = limits.progress.filter(|_| self.beginning.frame > self.stats.frames_in);
        let frame = frame.and_then(|progress| {
            let Beginning { since, received, .. } = self.beginning;
            let after = progress.allowed(received);
            due(since, after, TimeoutReason::Frame { received, after })
        });
        let waits_for_first = self.side == Side::Listener && self.stats.frames_in == 0;
        let first = limits.first_frame.filter(|_| waits_for_first);
        let first =
            first.and_then(|after| due(self.opened, after, TimeoutReason::FirstFrame { after }));
        let is_idle = self.calls_in == 0 && self.pending.len() == 0;
        let idle = limits.idle.filter(|_| is_idle);
        let idle =
            idle.and_then(|after| due(self.last_moved, after, TimeoutReason::Idle { after }));
        [frame, first, idle, self.next_heartbeat()]
    }
}
