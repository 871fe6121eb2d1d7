//! Open streams without their type.

use std::sync::Arc;

use super::acceptor::AdmissionPermit;
use super::connection::{Connection, ConnectionTask};
use super::runtime::Runtime;
use super::trace;
use super::transport::Transport;
use aiomas_core::rpc::{Caller, PeerCertificate};

/// A stream that has been opened, and has no task yet.
pub(super) struct Stream {
    peer: Option<Arc<str>>,
    certificate: Option<Arc<PeerCertificate>>,
    start: Box<dyn FnOnce(Arc<Connection>) + Send>,
}

impl Stream {
    /// `permit` is its place on the listener that it came in by.
    pub(super) fn new<R: Runtime>(
        runtime: &R,
        transport: impl Transport,
        permit: Option<AdmissionPermit>,
    ) -> Self {
        let (peer, runtime) = (transport.peer().map(Arc::from), runtime.clone());
        let certificate = transport.certificate().map(Arc::new);
        let start = move |connection| {
            let timer = runtime.timer();
            runtime.spawn(ConnectionTask::new(connection, transport, timer, permit));
        };
        Self { peer, certificate, start: Box::new(start) }
    }

    /// Who is at the other end of the connection of this number.
    pub(super) fn caller(&self, connection: u64) -> Caller {
        let mut caller = Caller::new(connection);
        caller.address.clone_from(&self.peer);
        caller.certificate.clone_from(&self.certificate);
        caller
    }

    /// Lets a task of its own move the connection's bytes.
    pub(super) fn start(self, connection: Arc<Connection>) {
        trace::opened(&connection);
        (self.start)(connection);
    }
}
