//! Calls that time out one after another while nothing comes from the peer.

use std::sync::atomic::Ordering;

use super::shared::Connection;
use crate::lock::lock;
use aiomas_core::connection::Close;

/// So many such calls are the sign of a connection on which nothing gets through.
const SIGNS: u32 = 2;

impl Connection {
    /// A line calls over the connection, and dials anew when that takes no more calls: repeated timeouts end it.
    pub(crate) fn watch_silence(&self) {
        self.redials.store(true, Ordering::Relaxed);
    }

    /// So many calls in a row have timed out in silence.
    #[cold]
    pub(super) fn silent(&self, timeouts: u32) {
        if timeouts == 0 || !self.redials.load(Ordering::Relaxed) {
            return;
        }
        if timeouts < SIGNS {
            let asked = lock(&self.state).machine.extensions().heartbeat;
            if !asked {
                self.handler.probe(self);
            }
            return;
        }
        // The peer may be alive nevertheless, and busy: what is in flight can still be answered until the system knows
        // better. Only new calls take the next connection.
        let keep_alive = lock(&self.state).machine.limits().keep_alive.unwrap_or_default();
        self.close(Close::AfterAnswers { within: self.drain.max(keep_alive * 2) });
    }
}
