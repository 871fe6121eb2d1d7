//! Services and agents with a check of their callers.

use std::sync::Arc;

use super::agent::{Agent, AgentHandle, HostedAgent};
use super::interface::IntoService;
use crate::later::{Later, SharedService};
use aiomas_core::rpc::{Authorized, Outcome};
use aiomas_core::wire::RemoteError;

impl<S: IntoService> IntoService for Authorized<S> {
    type Proxy = S::Proxy;

    fn into_service(self) -> SharedService {
        Arc::new(self.map(S::into_service))
    }
}

impl<A: Agent> Agent for Authorized<A> {
    type Proxy = A::Proxy;

    fn type_name(&self) -> &str {
        self.service.type_name()
    }

    fn into_resident(self, me: Arc<AgentHandle>) -> Arc<dyn HostedAgent> {
        Arc::new(self.map(|agent| agent.into_resident(me)))
    }
}

impl HostedAgent for Authorized<Arc<dyn HostedAgent>> {
    fn start(&self) -> Outcome<Later> {
        self.service.start()
    }

    fn fail_start(&self, error: &RemoteError) {
        self.service.fail_start(error);
    }

    fn has_stop(&self) -> bool {
        self.service.has_stop()
    }

    fn stop(&self) -> Outcome<Later> {
        self.service.stop()
    }

    fn is_stopping(&self) -> bool {
        self.service.is_stopping()
    }

    fn waiting(&self) -> usize {
        self.service.waiting()
    }

    fn close_queue(&self, error: &RemoteError) {
        self.service.close_queue(error);
    }
}
