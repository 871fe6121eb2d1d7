//! How a line gets a new connection.

use std::sync::Arc;
use std::time::Duration;

use crate::Error;
use crate::connection::{ConnectionRef, Handler};
use crate::dialling::{DIAL_TIMEOUT, Rhythm};
use crate::host::BoxFuture;
use crate::options::Settings;
use crate::stream::Stream;
use aiomas_core::agent::{Address, Backoff, Patience};
use aiomas_core::connection::Side;

/// How a client dials when its connection is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reconnect {
    /// For how long it dials before it gives up. Default: 60 s.
    pub within: Duration,
    /// The waits between attempts. Default: 0.5 s, then half as much again each time, up to 30 s, each shortened
    /// by up to 20 % at random.
    pub backoff: Backoff,
    /// After which time an attempt has failed. Default: 10 s; at least 1 ms.
    pub dial_timeout: Duration,
}

impl Default for Reconnect {
    fn default() -> Self {
        let mut backoff = Backoff::default();
        backoff.jitter_percent = 20;
        Self { within: Duration::from_secs(60), backoff, dial_timeout: DIAL_TIMEOUT }
    }
}

impl Reconnect {
    /// Dials for so long.
    #[must_use]
    pub fn within(time: Duration) -> Self {
        Self { within: time, ..Self::default() }
    }
}

/// Dials for so long.
impl From<Duration> for Reconnect {
    fn from(within: Duration) -> Self {
        Self::within(within)
    }
}

/// Is told the number of each attempt.
pub(crate) type Attempts = Box<dyn Fn(u32) + Send + Sync>;

/// Opens connections for a line.
pub(crate) trait Redial: Send + Sync {
    /// Tries for so long. Dropping the future gives it up.
    fn search(
        &self,
        within: Duration,
        attempts: Attempts,
    ) -> BoxFuture<Result<ConnectionRef, Error>>;
}

/// Dials an address, with the settings of a client.
#[derive(Clone)]
pub(crate) struct Dials {
    pub(crate) settings: Settings,
    pub(crate) address: Address,
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) reconnect: Reconnect,
}

impl Dials {
    /// Opens the first connection.
    pub(crate) async fn dial(
        &self,
        patience: Patience,
        dial_timeout: Duration,
    ) -> Result<ConnectionRef, Error> {
        let dial = self.settings.dial_with(&self.address, patience, dial_timeout);
        Ok(self.open(dial.await?))
    }

    fn open(&self, stream: Stream) -> ConnectionRef {
        let connection =
            self.settings.connection(&stream, Side::Dialler, 0, true, self.handler.clone());
        // The handle is there first: when it goes, the connection is closed.
        let user = ConnectionRef::new(connection.clone());
        stream.start(connection);
        user
    }

    async fn dial_within(
        self,
        within: Duration,
        attempts: Attempts,
    ) -> Result<ConnectionRef, Error> {
        let Reconnect { backoff, dial_timeout, .. } = self.reconnect;
        let rhythm = Rhythm { backoff, dial_timeout };
        let dial = self.settings.dial_for(&self.address, Some(within), rhythm, attempts);
        Ok(self.open(dial.await?))
    }
}

impl Redial for Dials {
    fn search(
        &self,
        within: Duration,
        attempts: Attempts,
    ) -> BoxFuture<Result<ConnectionRef, Error>> {
        Box::pin(self.clone().dial_within(within, attempts))
    }
}
