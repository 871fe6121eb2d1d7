//! How a line gets a new connection.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::agent::backoff::Jitter;
use crate::agent::{Address, Backoff};
use crate::connection::Side;
use crate::driver::Error;
use crate::driver::host::{BoxFuture, sleep_until};
use crate::driver::link::{Handler, LinkUser};
use crate::driver::options::Settings;
use crate::driver::stream::Stream;

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
        Self {
            within: Duration::from_secs(60),
            backoff: Backoff { jitter_percent: 20, ..Backoff::default() },
            dial_timeout: Duration::from_secs(10),
        }
    }
}

impl Reconnect {
    /// Dials for so long.
    #[must_use]
    pub fn within(time: Duration) -> Self {
        Self { within: time, ..Self::default() }
    }
}

/// Is told the number of each attempt.
pub(in crate::driver) type Attempts = Box<dyn Fn(u32) + Send + Sync>;

/// Opens connections for a line.
pub(in crate::driver) trait Redial: Send + Sync {
    /// Tries for so long. Dropping the future gives it up.
    fn search(&self, within: Duration, attempts: Attempts) -> BoxFuture<Result<LinkUser, Error>>;
}

/// Dials an address, with the settings of a client.
#[derive(Clone)]
pub(in crate::driver) struct Dials {
    pub(in crate::driver) settings: Settings,
    pub(in crate::driver) address: Address,
    pub(in crate::driver) handler: Arc<dyn Handler>,
    pub(in crate::driver) reconnect: Reconnect,
}

impl Dials {
    /// Dials once.
    pub(in crate::driver) async fn dial(&self) -> Result<LinkUser, Error> {
        Ok(self.open(self.settings.dial(&self.address).await?))
    }

    fn open(&self, stream: Stream) -> LinkUser {
        let link = self.settings.link(&stream, Side::Dialler, 0, true, self.handler.clone());
        // The handle is there first: when it goes, the connection is closed.
        let user = LinkUser::new(link.clone());
        stream.start(link);
        user
    }

    async fn dial_by(&self, until: Option<Instant>) -> Result<LinkUser, Error> {
        let host = &*self.settings.host;
        let timeout = self.reconnect.dial_timeout.max(Duration::from_millis(1));
        let mut timer = host.timer();
        if let Some(at) = host.now().checked_add(timeout).into_iter().chain(until).min() {
            timer.set(at);
        }
        let mut dial = pin!(self.settings.dial(&self.address));
        let stream = poll_fn(|cx| match dial.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => timer.poll(cx).map(|()| {
                Err(Error::dial(&self.address, &io::Error::from(io::ErrorKind::TimedOut)))
            }),
        })
        .await?;
        Ok(self.open(stream))
    }

    async fn dial_within(self, within: Duration, attempts: Attempts) -> Result<LinkUser, Error> {
        let host = &*self.settings.host;
        let Backoff { jitter_percent, .. } = self.reconnect.backoff;
        let until = host.now().checked_add(within);
        let (mut jitter, mut wait) = (Jitter::new(host.seed()), Duration::ZERO);
        let mut attempt = 0_u32;
        loop {
            attempt = attempt.saturating_add(1);
            attempts(attempt);
            let error = match self.dial_by(until).await {
                Ok(link) => return Ok(link),
                Err(error) => error,
            };
            wait = self.reconnect.backoff.after(wait);
            let next = host.now().checked_add(jitter.shorten(wait, jitter_percent));
            let Some(at) = next.into_iter().chain(until).min() else { return Err(error) };
            sleep_until(host, at).await;
            if until.is_some_and(|until| until <= at) {
                return Err(error);
            }
        }
    }
}

impl Redial for Dials {
    fn search(&self, within: Duration, attempts: Attempts) -> BoxFuture<Result<LinkUser, Error>> {
        Box::pin(self.clone().dial_within(within, attempts))
    }
}
