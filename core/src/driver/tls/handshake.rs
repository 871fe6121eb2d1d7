//! Making a stream a secure one, in time.

use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Duration;

use super::stream::Tls;
use crate::connection::TlsError;
use crate::driver::runtime::Runtime;
use crate::driver::transport::{Timer, Transport};

/// How long a peer may take to hear why it is refused.
const PARTING: Duration = Duration::from_secs(1);
/// So many bytes may still come from it.
const MAX_IGNORED: usize = 256 * 1024;

/// Waits until the handshake is over, but not for longer than `limit`.
pub(super) async fn shake_hands<R: Runtime, T: Transport>(
    runtime: &R,
    tls: &mut Tls<T>,
    limit: Duration,
) -> io::Result<()> {
    let mut timer = timer(runtime, limit);
    poll_fn(|cx| match tls.poll_handshake(cx) {
        Poll::Pending => timer.poll(cx).map(|()| Err(TlsError::TimedOut { after: limit }.into())),
        ended => ended,
    })
    .await
}

/// After a failed handshake: lets the peer know why.
pub(super) async fn part<R: Runtime, T: Transport>(runtime: &R, mut tls: Tls<T>) {
    let (mut timer, mut patience) = (timer(runtime, PARTING), MAX_IGNORED);
    poll_fn(|cx| match tls.poll_part(cx, &mut patience) {
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
