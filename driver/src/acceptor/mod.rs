//! Letting streams come in.

mod listener;
mod opening;
mod permit;

pub(super) use listener::{Incoming, OpeningListener};
pub(super) use opening::{StreamLimits, open, refuse};
pub(super) use permit::AdmissionPermit;

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use crate::cancel::{Canceller, cancellable};
use crate::contain::{contain, undisturbed};
use crate::host::{RuntimeEnded, sleep};
use crate::lock::lock;
use crate::network::Network;
use crate::stream::Stream;
use crate::trace;
use aiomas_core::agent::Address;
use aiomas_core::connection::{Admission, AdmissionStats, TlsError};

/// How long to wait after an error: most likely there are no file descriptors left.
const PAUSE: Duration = Duration::from_millis(100);
/// So many streams that are gone again are passed over in a row before that is taken for such an error.
const MAX_PASSED: u32 = 1000;

/// Why there is no stream.
pub(crate) enum NoStream {
    /// A peer was refused, or has refused us.
    Tls(TlsError),
    RuntimeEnded,
}

impl From<RuntimeEnded> for NoStream {
    fn from(_: RuntimeEnded) -> Self {
        Self::RuntimeEnded
    }
}

/// Where streams come in. No error of a stream ends it.
pub(crate) struct Acceptor {
    host: Arc<dyn Network>,
    incoming: Box<dyn Incoming>,
    admission: Arc<Mutex<Admission>>,
    /// How many streams in a row were gone again.
    passed: u32,
}

impl Acceptor {
    pub(crate) fn new(
        host: Arc<dyn Network>,
        incoming: Box<dyn Incoming>,
        admission: Arc<Mutex<Admission>>,
    ) -> Self {
        Self { host, incoming, admission, passed: 0 }
    }

    pub(crate) fn address(&self) -> io::Result<Address> {
        self.incoming.address()
    }

    pub(crate) fn admission(&self) -> Arc<Mutex<Admission>> {
        self.admission.clone()
    }

    pub(crate) fn stats(&self) -> AdmissionStats {
        lock(&self.admission).stats()
    }

    /// The next stream that there is a place for, when it is open. Others are closed.
    ///
    /// # Errors
    /// A stream is not secure, but others may be; or the runtime has ended.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> Result<Stream, NoStream> {
        loop {
            let accept = poll_fn(|cx| {
                // Code of an adapter. If it panics, others may still come.
                contain(|| self.incoming.poll_accept(cx))
                    .unwrap_or_else(|panic| Poll::Ready(Err(io::Error::other(panic.to_string()))))
            });
            match accept.await {
                Ok(stream) => {
                    self.passed = 0;
                    return Ok(stream);
                }
                Err(error) => {
                    lock(&self.admission).note_failure();
                    if let Some(error) = TlsError::of(&error) {
                        return Err(NoStream::Tls(error.clone()));
                    }
                    self.passed += 1;
                    // If it is that stream alone that is gone, others may come.
                    if !is_about_one_stream(error.kind()) || self.passed >= MAX_PASSED {
                        self.passed = 0;
                        trace::no_stream(&error);
                        sleep(&*self.host, PAUSE).await?;
                    }
                }
            }
        }
    }
}

/// Gives all streams that come in to `take`, in a task that ends, and stops listening, when the canceller is
/// dropped.
pub(crate) fn accept(
    mut acceptor: Acceptor,
    mut take: impl FnMut(Stream) + Send + 'static,
) -> Canceller {
    let host = acceptor.host.clone();
    let (canceller, task) = cancellable(async move {
        loop {
            match acceptor.next().await {
                // What user code does with one must not keep others from coming.
                Ok(stream) => undisturbed(|| take(stream)),
                // A peer that is refused hears of it.
                Err(NoStream::Tls(_)) => {}
                Err(NoStream::RuntimeEnded) => return,
            }
        }
    });
    host.spawn(task);
    canceller
}

/// What `accept` says of a stream that is gone again, and what setting its options does.
fn is_about_one_stream(kind: ErrorKind) -> bool {
    let kinds = [
        ErrorKind::ConnectionAborted,
        ErrorKind::ConnectionReset,
        ErrorKind::ConnectionRefused,
        ErrorKind::NotConnected,
        ErrorKind::BrokenPipe,
        ErrorKind::TimedOut,
        ErrorKind::HostUnreachable,
        ErrorKind::NetworkUnreachable,
        ErrorKind::InvalidInput,
        ErrorKind::Interrupted,
    ];
    kinds.contains(&kind)
}
