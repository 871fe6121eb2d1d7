//! Dials all addresses of a name concurrently (RFC 8305, "Happy Eyeballs").

use std::collections::VecDeque;
use std::fmt::Write;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use super::names::no_address;
use crate::transport::Timer;

/// The delay between two attempts (RFC 8305, 5: "Connection Attempt Delay").
const DELAY: Duration = Duration::from_millis(250);

/// The maximum number of failures in an error text.
const MAX_TOLD: usize = 8;

/// Connects to any of the addresses, and cancels the other attempts.
///
/// It has no time limit of its own: the caller drops the future.
pub(super) async fn race<T, F: Future<Output = io::Result<T>>>(
    now: impl Fn() -> Instant,
    timer: impl Timer,
    addresses: Vec<SocketAddr>,
    connect: impl Fn(SocketAddr) -> F,
) -> io::Result<T> {
    let schedule = Schedule::new(addresses, now());
    let mut race = Race { schedule, attempts: Vec::new(), failures: Vec::new() };
    let mut timer = timer;
    poll_fn(|cx| race.poll(&now, &mut timer, &connect, cx)).await
}

/// The order and times of the attempts.
#[derive(Debug)]
struct Schedule {
    left: VecDeque<SocketAddr>,
    /// The time of the next attempt while others are pending.
    at: Instant,
}

impl Schedule {
    /// Creates a schedule whose first attempt is due at once.
    fn new(addresses: Vec<SocketAddr>, now: Instant) -> Self {
        Self { left: interleave(addresses), at: now }
    }

    /// Returns the next attempt if it is due. `is_idle`: no other is pending.
    fn start(&mut self, now: Instant, is_idle: bool) -> Option<SocketAddr> {
        if now < self.at && !is_idle {
            return None;
        }
        let next = self.left.pop_front()?;
        self.at = now.checked_add(DELAY).unwrap_or(now);
        Some(next)
    }

    /// Records a failed attempt: the next one need not wait.
    const fn failed(&mut self, now: Instant) {
        self.at = now;
    }

    /// Returns when the next attempt is due, if one is left.
    fn next(&self) -> Option<Instant> {
        (!self.left.is_empty()).then_some(self.at)
    }
}

/// Alternates between IPv6 and IPv4, starting with the family that the system prefers: a broken family then costs one
/// delay instead of one for each of its addresses.
fn interleave(addresses: Vec<SocketAddr>) -> VecDeque<SocketAddr> {
    let prefers_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (one, other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == prefers_v6);
    let mut order = VecDeque::with_capacity(one.len() + other.len());
    let (mut one, mut other) = (one.into_iter(), other.into_iter());
    loop {
        let next = [one.next(), other.next()];
        if next == [None, None] {
            return order;
        }
        order.extend(next.into_iter().flatten());
    }
}

struct Race<F> {
    schedule: Schedule,
    attempts: Vec<(SocketAddr, Pin<Box<F>>)>,
    failures: Vec<(SocketAddr, io::Error)>,
}

impl<T, F: Future<Output = io::Result<T>>> Race<F> {
    fn poll(
        &mut self,
        now: &impl Fn() -> Instant,
        timer: &mut impl Timer,
        connect: &impl Fn(SocketAddr) -> F,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        let mut polled = 0;
        loop {
            while let Some((address, attempt)) = self.attempts.get_mut(polled) {
                match attempt.as_mut().poll(cx) {
                    Poll::Pending => polled += 1,
                    Poll::Ready(Ok(stream)) => return Poll::Ready(Ok(stream)),
                    Poll::Ready(Err(error)) => {
                        self.failures.push((*address, error));
                        // The last attempt, not polled yet, takes its index.
                        drop(self.attempts.swap_remove(polled));
                        self.schedule.failed(now());
                    }
                }
            }
            if let Some(address) = self.schedule.start(now(), self.attempts.is_empty()) {
                self.attempts.push((address, Box::pin(connect(address))));
                continue;
            }
            if self.attempts.is_empty() {
                return Poll::Ready(Err(all_failed(std::mem::take(&mut self.failures))));
            }
            let Some(at) = self.schedule.next() else { return Poll::Pending };
            timer.set(at);
            if timer.poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

/// Returns the error of a failed race: a single failure unchanged, several with their addresses.
fn all_failed(mut failures: Vec<(SocketAddr, io::Error)>) -> io::Error {
    let Some((_, last)) = failures.last() else {
        return no_address();
    };
    // If one address refused, its machine is reachable.
    let refused = io::ErrorKind::ConnectionRefused;
    let is_refused = failures.iter().any(|(_, error)| error.kind() == refused);
    let kind = if is_refused { refused } else { last.kind() };
    if failures.len() == 1 {
        return failures.remove(0).1;
    }
    let mut text = String::new();
    for (number, (address, error)) in failures.iter().take(MAX_TOLD).enumerate() {
        let separator = if number == 0 { "" } else { "; " };
        // Writing to a `String` does not fail.
        let _written = write!(text, "{separator}{address}: {error}");
    }
    if failures.len() > MAX_TOLD {
        let _written = write!(text, "; and {} more", failures.len() - MAX_TOLD);
    }
    io::Error::new(kind, text)
}

#[cfg(test)]
mod tests;
