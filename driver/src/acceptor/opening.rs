//! Waiting until a stream is open, and parting from one that will never be.

use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Duration;

use crate::runtime::Runtime;
use crate::transport::{KeepAlive, Timer, Transport};
use aiomas_core::connection::{Limits, TlsError};

/// How long a peer may take to hear why it is refused.
const PARTING: Duration = Duration::from_secs(1);

/// What is asked of streams.
#[derive(Clone, Copy)]
pub(crate) struct StreamLimits {
    pub(crate) keep_alive: Option<KeepAlive>,
    /// How long one may take to be open.
    handshake: Duration,
}

impl StreamLimits {
    pub(crate) fn new(limits: &Limits) -> Self {
        let keep_alive = limits.keep_alive.map(KeepAlive::new);
        Self { keep_alive, handshake: limits.handshake }
    }
}

/// Waits until a stream is open, but not for longer than it may take.
pub(crate) async fn open<R: Runtime, T: Transport>(
    runtime: &R,
    stream: &mut T,
    terms: StreamLimits,
) -> io::Result<()> {
    let after = terms.handshake;
    let mut timer = timer(runtime, after);
    poll_fn(|cx| match stream.poll_open(cx) {
        // There is nothing to wait for but the handshake of TLS.
        Poll::Pending => timer.poll(cx).map(|()| Err(TlsError::TimedOut { after }.into())),
        ended => ended,
    })
    .await
}

/// Lets the peer know why.
pub(crate) async fn refuse<R: Runtime, T: Transport>(runtime: &R, mut stream: T) {
    let mut timer = timer(runtime, PARTING);
    poll_fn(|cx| match stream.poll_shutdown(cx) {
        Poll::Pending => timer.poll(cx),
        // Whether it has heard is of no concern to anyone any more.
        Poll::Ready(_) => Poll::Ready(()),
    })
    .await;
}

fn timer<R: Runtime>(runtime: &R, limit: Duration) -> R::Timer {
    let mut timer = runtime.timer();
    // Longer than clocks can count is for ever.
    if let Some(at) = runtime.now().checked_add(limit) {
        timer.set(at);
    }
    timer
}
