//! Calls that time out one after another while nothing comes from the peer.

use super::shared::Connection;
use crate::lock::lock;
use aiomas_core::connection::Close;

/// So many such calls are the sign of a connection on which nothing gets through.
const SIGNS: u32 = 2;

impl Connection {
    /// Ends the connection after repeated timeouts: a user that reconnects dials anew when it takes no more calls.
    pub(crate) fn watch_silence(&self) {
        lock(&self.state).redials = true;
    }

    /// So many calls in a row have timed out in silence.
    #[cold]
    pub(super) fn silent(&self, timeouts: u32) {
        let (asked, keep_alive) = {
            let state = lock(&self.state);
            if timeouts == 0 || !state.redials {
                return;
            }
            (state.machine.extensions().heartbeat, state.machine.limits().keep_alive)
        };
        if timeouts < SIGNS {
            if !asked {
                self.handler.probe(self);
            }
            return;
        }
        // The peer may be alive nevertheless, and busy: what is in flight can still be answered until the system knows
        // better. Only new calls take the next connection.
        let within = self.drain.max(keep_alive.unwrap_or_default() * 2);
        self.close(Close::AfterAnswers { within });
    }
}
