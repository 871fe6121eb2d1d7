//! Detects a dead connection by consecutive timeouts without input from the peer.

use super::shared::Connection;
use crate::lock::lock;
use aiomas_core::connection::Close;

/// The number of such timeouts that indicate a dead connection.
const SIGNS: u32 = 2;

impl Connection {
    /// Ends the connection after repeated timeouts: a reconnecting connection dials anew when this one accepts no more
    /// calls.
    pub(crate) fn watch_silence(&self) {
        lock(&self.state).redials = true;
    }

    /// Handles `timeouts` consecutive timeouts in silence.
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
        // The peer may be alive nevertheless, and busy: calls in flight can still be answered until the system reports
        // a failure. Only new calls use the next connection.
        let within = self.drain.max(keep_alive.unwrap_or_default() * 2);
        self.close(Close::AfterAnswers { within });
    }
}
