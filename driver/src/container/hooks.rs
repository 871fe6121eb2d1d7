//! Hooks of a container: peers that connect and disconnect, and the check of calls.

use std::fmt;
use std::sync::Arc;

use crate::Peer;
use crate::connection::{Connection, DisconnectHook};
use crate::contain::undisturbed;
use aiomas_core::connection::CloseReason;
use aiomas_core::rpc::{Caller, CallerId, Check, Path};
use aiomas_core::wire::RemoteError;

/// The program's hooks.
#[derive(Clone, Default)]
pub(super) struct Hooks {
    pub(super) on_connect: Option<OnConnect>,
    pub(super) on_disconnect: Option<DisconnectHook>,
    pub(super) check: Option<Arc<Check>>,
}

type OnConnect = Arc<dyn Fn(&Peer) + Send + Sync>;

impl Hooks {
    pub(super) fn connected(&self, connection: &Arc<Connection>) {
        if let Some(on_connect) = &self.on_connect {
            undisturbed(|| on_connect(&Peer::of_connection(connection.clone())));
        }
    }

    pub(super) fn disconnected(&self, connection: &Arc<Connection>, reason: &CloseReason) {
        if let Some(on_disconnect) = &self.on_disconnect {
            undisturbed(|| on_disconnect(&Peer::of_connection(connection.clone()), reason));
        }
    }

    /// Checks whether `caller` may call `path`. Agents of this container always may.
    #[inline]
    pub(super) fn admit(&self, caller: &Caller, path: &Path<'_>) -> Result<(), RemoteError> {
        match &self.check {
            Some(check) if caller.id != CallerId::Local => check(caller, path),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("on_connect", &self.on_connect.is_some())
            .field("on_disconnect", &self.on_disconnect.is_some())
            .field("check", &self.check.is_some())
            .finish()
    }
}
