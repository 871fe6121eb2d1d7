//! Dials an address repeatedly, according to a policy.

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
use aiomas_core::agent::{Address, RetryLimit, RetryPolicy};
use aiomas_core::internal::Jitter;

impl Settings {
    /// Opens a stream according to `policy`. `attempts` receives the number of each attempt.
    pub(super) async fn dial_with(
        &self,
        address: &Address,
        policy: &RetryPolicy,
        attempts: impl Fn(u32),
    ) -> Result<Stream, Error> {
        let host = &*self.host;
        let within = match policy.limit {
            RetryLimit::Within(time) => Some(time),
            RetryLimit::Once | RetryLimit::Forever => None,
        };
        let until = within.and_then(|within| host.now().checked_add(within));
        let again = policy.limit != RetryLimit::Once;
        let mut jitter = again.then(|| Jitter::new(host.seed()));
        let mut wait = Duration::ZERO;
        let mut attempt = 0_u32;
        loop {
            attempt = attempt.saturating_add(1);
            attempts(attempt);
            let dial = Dial::start(|| self.host.clone(), address, || attempt);
            let limit = until.zip(within);
            let error = match self.dial_by(address, limit, policy.dial_timeout).await {
                Ok(stream) => {
                    dial.opened();
                    return Ok(stream);
                }
                Err(error) => error,
            };
            let Some(jitter) = &mut jitter else {
                dial.failed(&error, None);
                return Err(error);
            };
            wait = policy.backoff.after(wait);
            let pause = jitter.shorten(wait, policy.backoff.jitter_percent);
            dial.failed(&error, Some(pause));
            let next = host.now().checked_add(pause);
            let Some(at) = next.into_iter().chain(until).min() else { return Err(error) };
            sleep_until(host, at).await?;
            if until.is_some_and(|until| until <= at) {
                return Err(error);
            }
        }
    }

    /// Dials once. `limit`: the deadline of all attempts, and their total time.
    async fn dial_by(
        &self,
        address: &Address,
        limit: Option<(Instant, Duration)>,
        timeout: Duration,
    ) -> Result<Stream, Error> {
        let host = &*self.host;
        let timeout = timeout.max(Duration::from_millis(1));
        let alone = host.now().checked_add(timeout);
        let (at, setting, allowed) = match limit {
            Some((until, within)) if alone.is_none_or(|at| until < at) => {
                (Some(until), "within", within)
            }
            _ => (alone, "dial_timeout", timeout),
        };
        let mut timer = host.timer();
        if let Some(at) = at {
            timer.set(at);
        }
        let mut dial = pin!(self.dial(address));
        poll_fn(|cx| match dial.as_mut().poll(cx) {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => timer.poll(cx).map(|()| {
                let text = format!("no connection within {allowed:?} (`{setting}`)");
                Err(Error::dial(address, &io::Error::new(io::ErrorKind::TimedOut, text)))
            }),
        })
        .await
    }
}
