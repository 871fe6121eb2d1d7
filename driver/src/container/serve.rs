//! Dispatches calls to the agents of a container.

use std::cell::Cell;
use std::sync::Arc;

use super::shared::ContainerShared;
use crate::connection::{Connection, Handler};
use crate::endpoint::Endpoint;
use crate::later::{Later, guarded};
use crate::local_dispatch::LocalDispatch;
use crate::trace;
use aiomas_core::connection::{CallOptions, CloseReason, ReplyToken, Request};
pub(super) use aiomas_core::internal::root::VALIDATE_AID;
use aiomas_core::internal::root::{dispatch_root, split_agent_path};
use aiomas_core::rpc::{self, Caller, Outcome, encode_call_in};
use aiomas_core::wire::{Payload, RemoteError};

/// Serves the agents to a peer.
pub(super) struct AgentsHandler {
    container: Arc<ContainerShared>,
}

impl AgentsHandler {
    pub(super) const fn new(container: Arc<ContainerShared>) -> Self {
        Self { container }
    }
}

impl Handler for AgentsHandler {
    fn handle(
        &self,
        connection: &Arc<Connection>,
        request: Request,
    ) -> Option<(ReplyToken, Outcome<Later>)> {
        let Request { token, content, deadline, .. } = request;
        let (caller, id) = (connection.caller_until(deadline), trace::Id::of(&token));
        let outcome = self.container.dispatch(&content, &caller, id);
        Some((token, outcome))
    }

    fn closing(&self, connection: &Arc<Connection>) {
        self.container.connection_closing(connection);
    }

    fn closed(&self, connection: &Arc<Connection>, reason: &CloseReason) {
        self.container.connection_closed(connection, reason);
    }

    /// Probes the peer with the request that aiomas sends from time to time. The answer is not awaited.
    fn probe(&self, connection: &Connection) {
        let asked = connection.call(CallOptions::default(), |format, codec_context, out| {
            encode_call_in(format, codec_context, "", VALIDATE_AID, &("0",), &(), out)
        });
        if let Ok(key) = asked {
            connection.cancel(key);
        }
    }

    fn local_dispatch(&self) -> Option<Arc<dyn LocalDispatch>> {
        Some(self.container.clone())
    }

    fn endpoint(&self) -> Option<&dyn Endpoint> {
        Some(&*self.container)
    }
}

thread_local! {
    /// The nesting depth of calls on this thread.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

impl ContainerShared {
    /// Calls an agent, or `validate_aid`.
    pub(super) fn dispatch(
        &self,
        content: &Payload,
        caller: &Caller,
        id: trace::Id<'_>,
    ) -> Outcome<Later> {
        match &rpc::Request::parse(content) {
            Ok(request) => trace::request(
                || self.host.clone(),
                caller,
                id,
                &request.path,
                || {
                    guarded(|| match self.hooks.admit(caller, &request.path) {
                        Ok(()) => self.route(request, caller),
                        Err(refused) => refused.into(),
                    })
                },
            ),
            Err(error) => {
                trace::malformed(|| self.host.clone(), caller, error);
                RemoteError::from(error.clone()).into()
            }
        }
    }

    fn route(&self, request: &rpc::Request<'_>, caller: &Caller) -> Outcome<Later> {
        let (path, arguments) = (&request.path, &request.arguments);
        if let Some((number, start)) = split_agent_path(path.as_bytes())
            && let Some(agent) = self.numbered(number)
        {
            return rpc::dispatch_at(&*agent, path, start, arguments, caller);
        }
        dispatch_root(|aid| self.agent(aid), |agent| &**agent, path, arguments, caller)
    }

    /// Runs code that may call agents. Returns `None` if calls are nested too deeply on this thread's stack.
    pub(super) fn nested<R>(run: impl FnOnce() -> R) -> Option<R> {
        /// Decrements the depth, also when user code panics.
        struct Leave;
        impl Drop for Leave {
            fn drop(&mut self) {
                DEPTH.set(DEPTH.get() - 1);
            }
        }
        if DEPTH.get() >= MAX_DEPTH {
            return None;
        }
        DEPTH.set(DEPTH.get() + 1);
        let _leave = Leave;
        Some(run())
    }
}

/// The depth up to which nested calls between agents of one container share a stack. Deeper calls run in tasks of their
/// own.
const MAX_DEPTH: u32 = 16;
