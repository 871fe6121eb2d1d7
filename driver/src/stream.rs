//! Open streams, dialled or accepted, without a connection yet.

use std::future::{Future, poll_fn};
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use super::acceptor::AdmissionPermit;
use super::connection::{Connection, ConnectionTask};
use super::host::Host;
use super::trace;
use super::transport::{KeepAlive, Timer, Transport};
use aiomas_core::agent::Address;
use aiomas_core::connection::{Limits, TlsError};
use aiomas_core::rpc::{Caller, PeerCertificate};

/// The time for a refused peer to receive the reason.
const PARTING: Duration = Duration::from_secs(1);

/// An open stream without a task.
pub(super) struct Stream {
    host: Arc<dyn Host>,
    transport: Box<dyn Transport>,
    /// The stream's permit on the listener that accepted it.
    permit: Option<AdmissionPermit>,
    peer: Option<Arc<str>>,
    certificate: Option<Arc<PeerCertificate>>,
}

impl Stream {
    pub(super) fn new(
        host: Arc<dyn Host>,
        transport: Box<dyn Transport>,
        permit: Option<AdmissionPermit>,
    ) -> Self {
        let peer = transport.peer().map(Arc::from);
        let certificate = transport.certificate().map(Arc::new);
        Self { host, transport, permit, peer, certificate }
    }

    /// Opens a stream to `to`, handshake included.
    pub(super) fn dial(
        host: Arc<dyn Host>,
        to: Address,
        limits: &Limits,
    ) -> impl Future<Output = io::Result<Self>> + Send + 'static + use<> {
        let limits = StreamLimits::new(limits);
        async move {
            if let Address::Local(name) = to {
                let transport = Box::new(host.local().dial(&name)?);
                return Ok(Self::new(host, transport, None));
            }
            let mut transport = host.dial(to).await?;
            if let Some(how) = limits.keep_alive {
                transport.keep_alive(how)?;
            }
            if let Err(error) = open(&*host, &mut *transport, limits).await {
                let parting = host.clone();
                host.spawn(Box::pin(async move { refuse(&*parting, transport).await }));
                return Err(error);
            }
            Ok(Self::new(host, transport, None))
        }
    }

    /// Returns the peer, as the caller on the connection with this number.
    pub(super) fn caller(&self, connection: u64) -> Caller {
        let mut caller = Caller::new(connection);
        caller.address.clone_from(&self.peer);
        caller.certificate.clone_from(&self.certificate);
        caller
    }

    /// Starts the task that moves the connection's bytes.
    pub(super) fn start(self, connection: Arc<Connection>) {
        trace::opened(&connection);
        let Self { host, transport, permit, .. } = self;
        let task = ConnectionTask::new(connection, transport, host.timer(), permit);
        host.spawn(Box::pin(task));
    }
}

/// The limits of a stream during its opening.
#[derive(Clone, Copy)]
pub(super) struct StreamLimits {
    pub(super) keep_alive: Option<KeepAlive>,
    /// The time limit of the handshake.
    handshake: Duration,
}

impl StreamLimits {
    pub(super) fn new(limits: &Limits) -> Self {
        let keep_alive = limits.keep_alive.map(KeepAlive::new);
        Self { keep_alive, handshake: limits.handshake }
    }
}

/// Waits until a stream is open, within the time limit of its handshake.
pub(super) async fn open(
    host: &dyn Host,
    transport: &mut dyn Transport,
    limits: StreamLimits,
) -> io::Result<()> {
    let after = limits.handshake;
    let mut timer = timer(host, after);
    poll_fn(|cx| match transport.poll_open(cx) {
        // Only a TLS handshake waits here.
        Poll::Pending => timer.poll(cx).map(|()| Err(TlsError::TimedOut { after }.into())),
        ended => ended,
    })
    .await
}

/// Informs the peer of a stream that failed to open, and drops the stream.
pub(super) async fn refuse(host: &dyn Host, mut transport: Box<dyn Transport>) {
    let mut timer = timer(host, PARTING);
    poll_fn(|cx| match transport.poll_shutdown(cx) {
        Poll::Pending => timer.poll(cx),
        // The stream is dropped either way.
        Poll::Ready(_) => Poll::Ready(()),
    })
    .await;
}

fn timer(host: &dyn Host, limit: Duration) -> Box<dyn Timer> {
    let mut timer = host.timer();
    // A time that overflows the clock never comes.
    if let Some(at) = host.now().checked_add(limit) {
        timer.set(at);
    }
    timer
}
