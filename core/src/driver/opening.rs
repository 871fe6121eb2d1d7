//! Waiting until a stream is open, and parting from one that will never be.

use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Duration;

use super::runtime::Runtime;
use super::transport::{Timer, Transport};
use crate::connection::TlsError;

/// How long a peer may take to hear why it is refused.
const PARTING: Duration = Duration::from_secs(1);

/// Waits until a stream is open, but not for longer than `limit`.
pub(super) async fn open<R: Runtime, T: Transport>(
    runtime: &R,
    stream: &mut T,
    limit: Duration,
) -> io::Result<()> {
    let mut timer = timer(runtime, limit);
    poll_fn(|cx| match stream.poll_open(cx) {
        // There is nothing to wait for but the handshake of TLS.
        Poll::Pending => timer.poll(cx).map(|()| Err(TlsError::TimedOut { after: limit }.into())),
        ended => ended,
    })
    .await
}

/// Lets the peer know why.
pub(super) async fn part<R: Runtime, T: Transport>(runtime: &R, mut stream: T) {
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
