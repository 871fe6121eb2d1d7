//! Dialling an address until somebody is there.

use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::Error;
use super::host::sleep_until;
use super::options::Settings;
use super::stream::Stream;
use super::trace::Dial;
use crate::agent::backoff::Jitter;
use crate::agent::{Address, Backoff, Patience};

/// How often an address is dialled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rhythm {
    /// The waits between attempts.
    pub(super) backoff: Backoff,
    /// After which time an attempt has failed.
    pub(super) dial_timeout: Duration,
}

impl Rhythm {
    /// That of aiomas, which has no time for an attempt.
    fn of_aiomas() -> Self {
        Self { backoff: Backoff::default(), dial_timeout: Duration::from_secs(10) }
    }
}

impl Settings {
    /// Opens a stream, the first one of a client.
    pub(super) async fn dial_with(
        &self,
        address: &Address,
        patience: Patience,
    ) -> Result<Stream, Error> {
        let rhythm = Rhythm::of_aiomas();
        match patience {
            Patience::Once => {
                let dial = Dial::start(|| self.host.clone(), address, || 1);
                let stream = self.dial(address).await;
                match &stream {
                    Ok(_) => dial.opened(),
                    Err(error) => dial.failed(error, None),
                }
                stream
            }
            Patience::Until(time) => self.dial_for(address, Some(time), rhythm, |_| ()).await,
            Patience::Forever => self.dial_for(address, None, rhythm, |_| ()).await,
        }
    }

    /// Opens a stream: tries for so long, if not for ever. `attempts` is told the number of each attempt.
    pub(super) async fn dial_for(
        &self,
        address: &Address,
        within: Option<Duration>,
        rhythm: Rhythm,
        attempts: impl Fn(u32),
    ) -> Result<Stream, Error> {
        let host = &*self.host;
        let until = within.and_then(|within| host.now().checked_add(within));
        let (mut jitter, mut wait) = (Jitter::new(host.seed()), Duration::ZERO);
        let mut attempt = 0_u32;
        loop {
            attempt = attempt.saturating_add(1);
            attempts(attempt);
            let dial = Dial::start(|| self.host.clone(), address, || attempt);
            let error = match self.dial_by(address, until, rhythm.dial_timeout).await {
                Ok(stream) => {
                    dial.opened();
                    return Ok(stream);
                }
                Err(error) => error,
            };
            wait = rhythm.backoff.after(wait);
            let pause = jitter.shorten(wait, rhythm.backoff.jitter_percent);
            dial.failed(&error, Some(pause));
            let next = host.now().checked_add(pause);
            let Some(at) = next.into_iter().chain(until).min() else { return Err(error) };
            sleep_until(host, at).await?;
            if until.is_some_and(|until| until <= at) {
                return Err(error);
            }
        }
    }

    /// Dials once.
    async fn dial_by(
        &self,
        address: &Address,
        until: Option<Instant>,
        timeout: Duration,
    ) -> Result<Stream, Error> {
        let host = &*self.host;
        let timeout = timeout.max(Duration::from_millis(1));
        let mut timer = host.timer();
        if let Some(at) = host.now().checked_add(timeout).into_iter().chain(until).min() {
            timer.set(at);
        }
        let mut dial = pin!(self.dial(address));
        poll_fn(|cx| match dial.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => timer
                .poll(cx)
                .map(|()| Err(Error::dial(address, &io::Error::from(io::ErrorKind::TimedOut)))),
        })
        .await
    }
}
