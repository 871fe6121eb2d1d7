//! Searching again for an agent whose connection was lost.

use std::future::poll_fn;
use std::sync::{Arc, Weak};

use super::connect::{Found, Search};
use super::shared::ContainerShared;
use crate::Error;
use crate::connection::{Connection, ConnectionRef};
use crate::host::BoxFuture;
use crate::lock::lock;
use crate::reconnect::{self, Attempts, Redial};
use aiomas_core::agent::{
    AgentUrl, ConnectError, ContainerConfig, ContainerError, RetryLimit, RetryPolicy,
};

/// Repeats the search for an agent.
struct Finds {
    container: Weak<ContainerShared>,
    url: AgentUrl,
    /// The type name from the first search.
    type_name: Arc<str>,
}

impl ContainerShared {
    /// Creates the reconnecting connection of a found agent.
    pub(super) fn reconnecting(
        &self,
        connection: Arc<Connection>,
        url: &AgentUrl,
        type_name: Arc<str>,
        limit: RetryLimit,
    ) -> Arc<reconnect::ReconnectShared> {
        let finds = Finds { container: self.this.clone(), url: url.clone(), type_name };
        let ContainerConfig { backoff, dial_timeout, .. } = *lock(&self.state).container.config();
        let mut policy = RetryPolicy::from(limit);
        (policy.backoff, policy.dial_timeout) = (backoff, dial_timeout);
        let max_calls = lock(&self.settings).config.limits.max_calls_out;
        reconnect::ReconnectShared::new(
            self.host.clone(),
            ConnectionRef::new(connection),
            finds,
            policy,
            max_calls,
        )
    }
}

impl Redial for Finds {
    fn search(
        &self,
        limit: RetryLimit,
        attempts: Attempts,
    ) -> BoxFuture<Result<ConnectionRef, Error>> {
        let Self { container, url, type_name: expected } = self;
        let Some(container) = container.upgrade() else {
            return Box::pin(async { Err(ContainerError::ShutDown.into()) });
        };
        let mut search = Search::new(container, Ok(url.clone()), limit);
        let expected = expected.clone();
        let mut last = 0;
        Box::pin(poll_fn(move |cx| {
            let found = search.poll_found(cx);
            let attempt = search.attempts();
            if attempt > last {
                last = attempt;
                attempts(attempt);
            }
            found.map(|found| {
                let Found { connection, url, type_name: found } = found?;
                // Ids follow the order of creation, so after a restart another agent may have this id.
                if found != expected {
                    return Err(
                        ConnectError::WrongType { url, expected: expected.clone(), found }.into()
                    );
                }
                // An agent of this container has no connection to lose.
                connection.map(ConnectionRef::new).ok_or(Error::NoContainer)
            })
        }))
    }
}
