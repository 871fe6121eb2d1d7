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

    /// Handles the peer's cancellation of `requests`, which are in order. Running methods have been stopped already.
    fn cancelled(&self, requests: &[RequestId]) {
        let _ = requests;
    }

    /// Handles a closing connection: it accepts no more calls, but may still answer.
    fn closing(&self, connection: &Arc<Connection>) {
        let _ = connection;
    }

    /// Handles the end of the connection.
    fn closed(&self, connection: &Arc<Connection>, reason: &CloseReason) {
        let _ = (connection, reason);
    }

    /// Probes the peer with a request that any live peer answers. The task calls it when a call has timed out without
    /// any input since the call. The answer proves that the next timeout does not mean a dead peer.
    fn probe(&self, connection: &Connection) {
        let _ = connection;
    }

    /// Handles the drop of the last handle.
    fn unused(&self) {}

    /// Returns the container of the connection.
    fn local_dispatch(&self) -> Option<Arc<dyn LocalDispatch>> {
        None
    }

    /// Returns the container or the server of the connection.
    fn endpoint(&self) -> Option<&dyn Endpoint> {
        None
    }
}
