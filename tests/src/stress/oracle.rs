//! The known calls and their permitted results.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aiomas::Error;

/// The reference model, which knows the permitted results of each call.
///
/// Each call has a token of its own, from which its one correct answer derives. So the model
/// detects an answer of another call, a method that runs twice for one call, and a call without a
/// result.
#[derive(Clone, Debug)]
pub struct Oracle(Arc<Mutex<Book>>);

#[derive(Debug)]
struct Book {
    /// Whether calls may be lost.
    lossy: bool,
    /// Whether time passes only while a task waits for it.
    exact: bool,
    calls: BTreeMap<u64, Entry>,
    tally: Tally,
}

/// A call in flight.
#[derive(Debug)]
struct Entry {
    kind: Kind,
    deadline: Option<Deadline>,
    /// The number of runs of its method.
    runs: u32,
    ended: bool,
    /// The caller received an error that says the call was not made.
    unmade: bool,
}

#[derive(Clone, Copy, Debug)]
struct Deadline {
    begun: Instant,
    timeout: Duration,
}

/// The kind of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Its method returns the correct answer.
    Answers,
    /// Its method returns the correct answer, and may run more than once.
    Repeats,
    /// Its method fails.
    Fails,
    /// Its method makes a call, and fails if that call fails.
    Relays,
    /// A method makes this call. Its own method may not start before the outer one has ended, so it
    /// may be refused.
    Inner,
}

/// The number of calls by result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The correct answer.
    pub answered: u64,
    /// The intended failure.
    pub failed: u64,
    /// A timeout.
    pub timed_out: u64,
    /// A lost connection, before or during the call.
    pub lost: u64,
    /// No connection, and none could be opened.
    pub unreachable: u64,
    /// Cancelled by the caller, or by its end.
    pub given_up: u64,
}

impl Tally {
    /// Returns the number of calls that have ended.
    #[must_use]
    pub const fn total(&self) -> u64 {
        let Self { answered, failed, timed_out, lost, unreachable, given_up } = self;
        *answered + *failed + *timed_out + *lost + *unreachable + *given_up
    }

    /// Adds the counts of another run.
    pub const fn merge(&mut self, other: &Self) {
        self.answered += other.answered;
        self.failed += other.failed;
        self.timed_out += other.timed_out;
        self.lost += other.lost;
        self.unreachable += other.unreachable;
        self.given_up += other.given_up;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { answered, failed, timed_out, lost, unreachable, given_up } = self;
        write!(
            f,
            "{answered} answered, {failed} failed, {timed_out} timed out, {lost} lost, \
             {unreachable} unreachable, {given_up} given up"
        )
    }
}

/// Returns the correct answer to a call.
pub(super) const fn answer(token: u64) -> u64 {
    // Within the range that every JSON parser reads as an integer.
    token.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11
}

/// Returns the message of an intended failure.
pub(super) fn failure(token: u64) -> String {
    format!("no {token}")
}

impl Oracle {
    /// Creates a model. With `lossy`, calls may be lost. With `exact`, time passes only while a
    /// task waits for it, so timeouts are exact to the nanosecond.
    #[must_use]
    pub fn new(lossy: bool, exact: bool) -> Self {
        let (calls, tally) = (BTreeMap::new(), Tally::default());
        Self(Arc::new(Mutex::new(Book { lossy, exact, calls, tally })))
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a call about to be made. Its time and timeout are given if they are checked.
    #[must_use]
    pub fn begin(&self, kind: Kind, timeout: Option<(Instant, Duration)>) -> Ticket {
        let mut book = self.book();
        let token = book.calls.last_key_value().map_or(1, |(last, _)| last + 1);
        let deadline = timeout.map(|(begun, timeout)| Deadline { begun, timeout });
        book.calls.insert(token, Entry { kind, deadline, runs: 0, ended: false, unmade: false });
        Ticket { oracle: self.clone(), token, open: true }
    }

    /// Records that the method of a call runs.
    ///
    /// # Panics
    /// The call is unknown, has run before and may not run again, or was reported as not made.
    pub fn run(&self, token: u64) {
        let mut book = self.book();
        let entry = book.calls.get_mut(&token);
        let entry = entry.unwrap_or_else(|| panic!("a method runs for the unknown call {token}"));
        entry.runs += 1;
        let again = entry.kind == Kind::Repeats;
        assert!(entry.runs == 1 || again, "the method of call {token} is run twice");
        assert!(!entry.unmade || again, "call {token} runs, but was reported as not made");
    }

    /// Returns the counts.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.book().tally.clone()
    }

    /// Returns the calls without a result.
    #[must_use]
    pub fn open(&self) -> Vec<u64> {
        let book = self.book();
        let open = book.calls.iter().filter(|(_, entry)| !entry.ended);
        open.map(|(token, _)| *token).collect()
    }
}

/// A call in flight. Dropping it counts as cancelling the call.
#[derive(Debug)]
pub struct Ticket {
    oracle: Oracle,
    token: u64,
    open: bool,
}

impl Ticket {
    /// Returns the token to send with the call.
    #[must_use]
    pub const fn token(&self) -> u64 {
        self.token
    }

    /// Records the end of the call, with a time if it was begun with one.
    ///
    /// # Panics
    /// The result is not permitted.
    pub fn end(mut self, now: Option<Instant>, result: &Result<u64, Error>) {
        self.open = false;
        let (token, mut book) = (self.token, self.oracle.book());
        let Book { lossy, exact, calls, tally } = &mut *book;
        let (lossy, exact) = (*lossy, *exact);
        let entry = calls.get_mut(&token).expect("a call that has begun");
        assert!(!std::mem::replace(&mut entry.ended, true), "call {token} has ended twice");
        let Entry { kind, deadline, runs, .. } = *entry;
        let wrong = || -> ! {
            panic!("call {token} ({kind:?}, run {runs} times) may not end in {result:?}")
        };
        let took =
            deadline.zip(now).map(|(deadline, now)| (deadline.timeout, now - deadline.begun));
        if let Some((timeout, took)) = took.filter(|_| exact) {
            assert!(took <= timeout, "call {token} took {took:?} instead of {timeout:?}");
        }
        match result {
            Ok(value) => {
                let ran = runs == 1 || kind == Kind::Repeats && runs > 1;
                if *value != answer(token) || kind == Kind::Fails || !ran {
                    wrong();
                }
                tally.answered += 1;
            }
            // The callee was closing when the call arrived, and did not start it.
            Err(Error::Remote(error))
                if lossy
                    && runs == 0
                    && error.kind() == "ConnectionError"
                    && error.message() == "the peer is shutting down" =>
            {
                tally.lost += 1;
            }
            Err(Error::Remote(error)) => {
                let expected = match kind {
                    Kind::Answers | Kind::Repeats => false,
                    Kind::Fails => error.message() == failure(token) && runs == 1,
                    Kind::Relays => runs == 1,
                    Kind::Inner => error.kind() == "DeadlockError" && runs == 0,
                };
                if !expected {
                    wrong();
                }
                tally.failed += 1;
            }
            Err(Error::TimedOut { after, .. }) => match took {
                Some((timeout, took)) if *after == timeout && took >= timeout => {
                    tally.timed_out += 1;
                }
                _ => wrong(),
            },
            Err(Error::Lost(_)) if lossy => tally.lost += 1,
            Err(Error::Refused(_) | Error::NoTarget { .. } | Error::Connect(_)) if lossy => {
                if runs > 0 && kind != Kind::Repeats {
                    wrong();
                }
                entry.unmade = true;
                match result {
                    Err(Error::Connect(_)) => tally.unreachable += 1,
                    _ => tally.lost += 1,
                }
            }
            Err(_) => wrong(),
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.open {
            let mut book = self.oracle.book();
            if let Some(entry) = book.calls.get_mut(&self.token) {
                entry.ended = true;
            }
            book.tally.given_up += 1;
        }
    }
}
