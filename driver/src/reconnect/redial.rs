//! Opening a new connection in place of a lost one.

use std::sync::Arc;

use crate::Error;
use crate::connection::{ConnectionRef, Handler};
use crate::host::BoxFuture;
use crate::options::Settings;
use aiomas_core::agent::{Address, RetryLimit, RetryPolicy};
use aiomas_core::connection::Side;

/// Receives the number of each attempt.
pub(crate) type Attempts = Box<dyn Fn(u32) + Send + Sync>;

/// Opens successive connections to the same peer.
pub(crate) trait Redial: Send + Sync {
    /// Tries until the limit. Dropping the future cancels the search.
    fn search(
        &self,
        limit: RetryLimit,
        attempts: Attempts,
    ) -> BoxFuture<Result<ConnectionRef, Error>>;
}

/// Dials an address, with the settings of a client.
#[derive(Clone)]
pub(crate) struct Dials {
    pub(crate) settings: Settings,
    pub(crate) address: Address,
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) retry: RetryPolicy,
}

impl Dials {
    /// Opens a connection.
    pub(crate) async fn dial(
        &self,
        policy: &RetryPolicy,
        attempts: impl Fn(u32),
    ) -> Result<ConnectionRef, Error> {
        let stream = self.settings.dial_with(&self.address, policy, attempts).await?;
        let connection =
            self.settings.connection(&stream, Side::Dialler, 0, true, self.handler.clone());
        // The handle is created first: dropping it closes the connection.
        let user = ConnectionRef::new(connection.clone());
        stream.start(connection);
        Ok(user)
    }
}

impl Redial for Dials {
    fn search(
        &self,
        limit: RetryLimit,
        attempts: Attempts,
    ) -> BoxFuture<Result<ConnectionRef, Error>> {
        let (dials, mut policy) = (self.clone(), self.retry);
        policy.limit = limit;
        Box::pin(async move { dials.dial(&policy, attempts).await })
    }
}
