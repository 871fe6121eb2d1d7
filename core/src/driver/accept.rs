//! Letting streams come in.

use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::cancel::{Canceller, cancellable};
use super::host::sleep;
use super::network::{Incoming, Network, Stream};
use crate::connection::TlsError;

/// How long to wait after an error: most likely there are no file descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

/// Gives all streams that come in to `take`, in a task that ends, and stops listening, when the canceller is
/// dropped.
pub(super) fn accept(
    host: &Arc<dyn Network>,
    mut incoming: Box<dyn Incoming>,
    mut take: impl FnMut(Stream) + Send + 'static,
) -> Canceller {
    let pausing = host.clone();
    let (canceller, task) = cancellable(async move {
        loop {
            match poll_fn(|cx| incoming.poll_accept(cx)).await {
                // What user code does with one must not keep others from coming.
                Ok(stream) => drop(catch_unwind(AssertUnwindSafe(|| take(stream)))),
                // That stream is gone, others may come.
                Err(error) if is_about_one_stream(&error) => {}
                Err(_) => sleep(&*pausing, PAUSE).await,
            }
        }
    });
    host.spawn(task);
    canceller
}

fn is_about_one_stream(error: &io::Error) -> bool {
    let kind = error.kind();
    TlsError::of(error).is_some()
        || matches!(
            kind,
            io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionRefused
                | io::ErrorKind::Interrupted
        )
}
