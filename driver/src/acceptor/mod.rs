//! Accepts streams: each takes a permit, and opens concurrently with the others.

mod opening;
mod permit;

pub(super) use permit::AdmissionPermit;

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use self::opening::Opening;
use crate::cancel::{Canceller, cancellable};
use crate::contain::{contain, undisturbed};
use crate::host::{BoxListener, Boxing, Host, RuntimeEnded, sleep};
use crate::lock::lock;
use crate::stream::{Stream, StreamLimits};
use crate::trace;
use crate::transport::Transport;
use aiomas_core::agent::Address;
use aiomas_core::connection::{Admission, AdmissionStats, Limits, TlsError};

/// The wait after an error of the listener: most likely the file descriptors are used up.
const PAUSE: Duration = Duration::from_millis(100);
/// The number of consecutive stream errors that count as an error of the listener.
const MAX_PASSED: u32 = 1000;
/// The number of consecutive streams accepted before other tasks run. Thousands may be waiting at once.
const MAX_ACCEPTED: u32 = 32;

/// The cause of a missing stream.
pub(crate) enum NoStream {
    /// We refused a peer, or a peer refused us.
    Tls(TlsError),
    RuntimeEnded,
}

impl From<RuntimeEnded> for NoStream {
    fn from(_: RuntimeEnded) -> Self {
        Self::RuntimeEnded
    }
}

/// Accepts streams from a listener. Errors of single streams do not end it.
///
/// A stream takes its permit before a byte of it is read, and keeps the permit: a peer that opens streams without
/// completing handshakes gets no more streams than connections. Each stream opens in a task of its own, so that a slow
/// peer delays no other.
pub(crate) struct Acceptor {
    host: Arc<dyn Host>,
    // Dropped before the listener, whose address is free only when no stream of it is left.
    opening: Opening,
    listener: BoxListener,
    admission: Arc<Mutex<Admission>>,
    limits: StreamLimits,
    /// The number of consecutive streams that were gone when accepted.
    passed: u32,
    /// The number of consecutive streams accepted without a wait.
    accepted: u32,
}

impl Acceptor {
    /// Binds a listener at `on`.
    pub(crate) async fn bind(
        host: Arc<dyn Host>,
        on: Address,
        limits: &Limits,
    ) -> io::Result<Self> {
        let admission = Arc::new(Mutex::new(Admission::new(limits)));
        let limits = StreamLimits::new(limits);
        let listener = match on {
            Address::Local(name) => Box::new(Boxing(host.local().listen(name)?)),
            on => host.listen(on).await?,
        };
        Ok(Self {
            host,
            opening: Opening::default(),
            listener,
            admission,
            limits,
            passed: 0,
            accepted: 0,
        })
    }

    pub(crate) fn address(&self) -> io::Result<Address> {
        self.listener.address()
    }

    pub(crate) fn admission(&self) -> Arc<Mutex<Admission>> {
        self.admission.clone()
    }

    pub(crate) fn stats(&self) -> AdmissionStats {
        lock(&self.admission).stats()
    }

    /// Waits for the next open stream with a permit. Streams without one are closed.
    ///
    /// # Errors
    /// A stream is not secure, though later ones may be; or the runtime has ended.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Result<Stream, NoStream> {
        loop {
            let accept = poll_fn(|cx| {
                // `poll_accept` is code of an adapter. After a panic, other streams may still come.
                contain(|| self.poll_accept(cx))
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
                    // If only that stream is gone, the next may come at once.
                    if !is_about_one_stream(error.kind()) || self.passed >= MAX_PASSED {
                        self.passed = 0;
                        trace::no_stream(&error);
                        sleep(&*self.host, PAUSE).await?;
                    }
                }
            }
        }
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        loop {
            if let Some((peer, result)) = self.opening.next(cx) {
                if let Err(error) = &result {
                    trace::refused(&*self.host, || peer.clone(), error);
                    self.listener.refused(peer.as_deref(), error);
                }
                return Poll::Ready(result);
            }
            if self.accepted == MAX_ACCEPTED {
                self.accepted = 0;
                self.host.defer(cx.waker());
                return Poll::Pending;
            }
            let Poll::Ready(accepted) = self.listener.poll_accept(cx) else {
                self.accepted = 0;
                return Poll::Pending;
            };
            self.accepted += 1;
            let mut transport = accepted?;
            let permit = match AdmissionPermit::take(&self.admission, transport.peer().as_deref()) {
                Ok(permit) => permit,
                Err(refusal) => {
                    trace::refused(&*self.host, || transport.peer(), &refusal);
                    continue;
                }
            };
            if let Some(how) = self.limits.keep_alive {
                // A stream that is gone reports its error when it is read. Here the error would pass for one of the
                // listener.
                let _set = transport.keep_alive(how);
            }
            match transport.poll_open(cx) {
                Poll::Ready(Ok(())) => {
                    return Poll::Ready(Ok(Stream::new(
                        self.host.clone(),
                        transport,
                        Some(permit),
                    )));
                }
                _ => self.opening.start(&self.host, transport, permit, self.limits),
            }
        }
    }
}

/// Passes all accepted streams to `take`, in a task. Dropping the canceller ends the task and stops listening.
pub(crate) fn accept(
    mut acceptor: Acceptor,
    mut take: impl FnMut(Stream) + Send + 'static,
) -> Canceller {
    let host = acceptor.host.clone();
    let (canceller, task) = cancellable(async move {
        loop {
            match acceptor.next().await {
                // A panic of user code must not stop other streams.
                Ok(stream) => undisturbed(|| take(stream)),
                // The failed stream has informed its peer.
                Err(NoStream::Tls(_)) => {}
                Err(NoStream::RuntimeEnded) => return,
            }
        }
    });
    host.spawn(task);
    canceller
}

/// Returns whether an error concerns a single stream: one that is gone when `accept` returns it, or when its options
/// are set.
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
