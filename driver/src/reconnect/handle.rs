//! What a line is watched by.

use std::fmt;
use std::future::poll_fn;
use std::sync::Weak;
use std::task::Poll;

use super::shared::{ReconnectShared, Watch};
use super::state::ConnectionState;
use crate::waits;

/// The [connections](crate::reconnect) of a proxy that reconnects, to be watched. It keeps nothing alive.
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

    /// What it is doing.
    #[must_use]
    pub fn state(&self) -> ConnectionState {
        self.0.upgrade().map_or(ConnectionState::Closed, |reconnecting| reconnecting.state())
    }

    /// Waits until it is doing something else than `from`, and tells what. States that do not last may be
    /// missed. Nothing comes after [`ConnectionState::Closed`].
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
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
