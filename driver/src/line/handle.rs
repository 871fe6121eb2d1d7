//! What a line is watched by.

use std::fmt;
use std::future::poll_fn;
use std::sync::Weak;
use std::task::Poll;

use super::shared::{Shared, Watch};
use super::state::LineState;
use crate::waits;

/// The [line](crate::line) of a proxy, to be watched. It keeps nothing alive.
///
/// ```no_run
/// # async fn example(proxy: aiomas::Proxy) {
/// let line = proxy.line().expect("it reconnects");
/// let mut state = line.state();
/// while state != aiomas::line::LineState::Closed {
///     println!("{state:?}");
///     state = line.changed(state).await;
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct Line(Weak<Shared>);

impl Line {
    pub(crate) const fn new(shared: Weak<Shared>) -> Self {
        Self(shared)
    }

    /// What it is doing.
    #[must_use]
    pub fn state(&self) -> LineState {
        self.0.upgrade().map_or(LineState::Closed, |line| line.state())
    }

    /// Waits until it is doing something else than `from`, and tells what. States that do not last may be
    /// missed. Nothing comes after [`LineState::Closed`].
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn changed(&self, from: LineState) -> LineState {
        let mut watch = Watch::default();
        poll_fn(|cx| {
            let state = match self.0.upgrade() {
                Some(line) => line.poll_state(&mut watch, cx),
                None => LineState::Closed,
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

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Line").field(&self.state()).finish()
    }
}
