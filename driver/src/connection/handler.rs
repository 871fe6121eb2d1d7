//! The interface between a layer and its connections.

use std::sync::Arc;

use super::shared::Connection;
use crate::endpoint::Endpoint;
use crate::later::Later;
use crate::local_dispatch::LocalDispatch;
use aiomas_core::connection::{CloseReason, ReplyToken, Request, RequestId};
use aiomas_core::rpc::Outcome;

/// The layer above a connection: a channel, an RPC client or server, or a container.
pub(crate) trait Handler: Send + Sync {
    /// Handles a request. The connection's task settles the returned outcome; with `None`, the handler keeps the request
    /// and [responds](Connection::respond) itself.
    fn handle(
        &self,
        connection: &Arc<Connection>,
        request: Request,
    ) -> Option<(ReplyToken, Outcome<Later>)>;

    /// The peer cancelled these requests, which are in order. The tasks of running methods have been stopped already.
    fn cancelled(&self, requests: &[RequestId]) {
        let _ = requests;
    }

    /// The connection takes no calls any more; it may still answer.
    fn closing(&self, connection: &Arc<Connection>) {
        let _ = connection;
    }

    /// The connection is closed.
    fn closed(&self, connection: &Arc<Connection>, reason: &CloseReason) {
        let _ = (connection, reason);
    }

    /// Asks the peer for something that any live peer answers: a call has timed out, and nothing has come since it was
    /// made. The answer proves that the next timeout is no sign of death.
    fn probe(&self, connection: &Connection) {
        let _ = connection;
    }

    /// The last handle is gone.
    fn unused(&self) {}

    /// The container that the connection is part of.
    fn local_dispatch(&self) -> Option<Arc<dyn LocalDispatch>> {
        None
    }

    /// The container or the server that the connection is part of.
    fn endpoint(&self) -> Option<&dyn Endpoint> {
        None
    }
}
