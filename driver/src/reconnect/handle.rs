//! The handle to watch a reconnecting connection.

use std::fmt;
use std::future::poll_fn;
use std::sync::Weak;
use std::task::Poll;

use super::shared::{ReconnectShared, Watch};
use super::state::ConnectionState;
use crate::waits;

/// Watches the [reconnecting connection](crate::reconnect) of a proxy. It keeps nothing alive.
///
/// ```no_run
/// # async fn example(proxy: aiomas::Proxy) {
/// let reconnecting = proxy.reconnecting().expect("it reconnects");
/// let mut state = reconnecting.state();
/// while state != aiomas::reconnect::ConnectionState::Closed {
///     println!("{state:?}");
///     state = reconnecting.changed(state).await;
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct ReconnectingConnection(Weak<ReconnectShared>);

impl ReconnectingConnection {
    pub(crate) const fn new(shared: Weak<ReconnectShared>) -> Self {
        Self(shared)
    }

    /// Returns the present state.
    #[must_use]
    pub fn state(&self) -> ConnectionState {
        self.0.upgrade().map_or(ConnectionState::Closed, |reconnecting| reconnecting.state())
    }

    /// Waits until the state differs from `from`, and returns the new state. Short-lived states may be missed.
    /// [`ConnectionState::Closed`] is final.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn changed(&self, from: ConnectionState) -> ConnectionState {
        let mut watch = Watch::default();
        poll_fn(|cx| {
            let state = match self.0.upgrade() {
                Some(reconnecting) => reconnecting.poll_state(&mut watch, cx),
                None => ConnectionState::Closed,
            };
            if state == from {
                waits::note(|| format!("for a line that is {from:?} to change"));
                return Poll::Pending;
            }
            Poll::Ready(state)
        })
        .await
    }
}

impl fmt::Debug for ReconnectingConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Line").field(&self.state()).finish()
    }
}
