//! What is known of each call, and what may become of it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aiomas::Error;

/// The reference model: it knows what each call may return.
///
/// Each call has a token of its own, and the one right answer derives from that. So an answer that belongs
/// to another call is seen, a method that runs twice for one call, and a call that nothing comes of.
#[derive(Clone, Debug)]
pub struct Oracle(Arc<Mutex<Book>>);

#[derive(Debug)]
struct Book {
    /// Whether calls may be lost.
    lossy: bool,
    /// Whether time passes only where somebody waits for it.
    exact: bool,
    calls: BTreeMap<u64, Entry>,
    tally: Tally,
}

/// A call that is under way.
#[derive(Debug)]
struct Entry {
    kind: Kind,
    deadline: Option<Deadline>,
    /// How often its method was run.
    runs: u32,
    ended: bool,
    /// The caller was told that it was not made.
    unmade: bool,
}

#[derive(Clone, Copy, Debug)]
struct Deadline {
    begun: Instant,
    timeout: Duration,
}

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Its method returns the right answer.
    Answers,
    /// As that, and it may be run more than once.
    Repeats,
    /// Its method fails.
    Fails,
    /// Its method makes a call, and fails if that does.
    Relays,
    /// It is made by a method, and its own may not begin before that has ended: then it is refused.
    Inner,
}

/// How many calls have come to what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The right answer.
    pub answered: u64,
    /// The failure that its method was to return.
    pub failed: u64,
    /// It took too long.
    pub timed_out: u64,
    /// The connection was lost, or gone before.
    pub lost: u64,
    /// There was no connection, and none could be opened.
    pub unreachable: u64,
    /// The caller gave it up, or was ended.
    pub given_up: u64,
}

impl Tally {
    /// All calls that have ended.
    #[must_use]
    pub const fn total(&self) -> u64 {
        let Self { answered, failed, timed_out, lost, unreachable, given_up } = self;
        *answered + *failed + *timed_out + *lost + *unreachable + *given_up
    }

    /// Adds those of another run.
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

/// The right answer to a call.
pub(super) const fn answer(token: u64) -> u64 {
    // Within what every JSON reader takes for an integer.
    token.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 11
}

/// The failure of a call that was to fail.
pub(super) fn failure(token: u64) -> String {
    format!("no {token}")
}

impl Oracle {
    /// `lossy`: calls may be lost. `exact`: time passes only where somebody waits for it, so that a timeout is met
    /// to the nanosecond.
    #[must_use]
    pub fn new(lossy: bool, exact: bool) -> Self {
        let (calls, tally) = (BTreeMap::new(), Tally::default());
        Self(Arc::new(Mutex::new(Book { lossy, exact, calls, tally })))
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call is about to be made, at a time and with a timeout if that is to be checked.
    #[must_use]
    pub fn begin(&self, kind: Kind, timeout: Option<(Instant, Duration)>) -> Ticket {
        let mut book = self.book();
        let token = book.calls.last_key_value().map_or(1, |(last, _)| last + 1);
        let deadline = timeout.map(|(begun, timeout)| Deadline { begun, timeout });
        book.calls.insert(token, Entry { kind, deadline, runs: 0, ended: false, unmade: false });
        Ticket { oracle: self.clone(), token, open: true }
    }

    /// The method of a call is being run.
    ///
    /// # Panics
    /// It was run before and may not be again, the caller was told that it was not made, or there is no such call.
    pub fn run(&self, token: u64) {
        let mut book = self.book();
        let entry = book.calls.get_mut(&token);
        let entry =
            entry.unwrap_or_else(|| panic!("a method is run for {token}, which nobody called"));
        entry.runs += 1;
        let again = entry.kind == Kind::Repeats;
        assert!(entry.runs == 1 || again, "the method of call {token} is run twice");
        assert!(!entry.unmade || again, "call {token} is run, though it was not made");
    }

    /// What has become of the calls.
    #[must_use]
    pub fn tally(&self) -> Tally {
        self.book().tally.clone()
    }

    /// The calls that nothing has come of yet.
    #[must_use]
    pub fn open(&self) -> Vec<u64> {
        let book = self.book();
        let open = book.calls.iter().filter(|(_, entry)| !entry.ended);
        open.map(|(token, _)| *token).collect()
    }
}

/// A call. Whoever drops it has given it up.
#[derive(Debug)]
pub struct Ticket {
    oracle: Oracle,
    token: u64,
    open: bool,
}

impl Ticket {
    /// What is sent along with it.
    #[must_use]
    pub const fn token(&self) -> u64 {
        self.token
    }

    /// The call has ended, at a time if it was begun at one.
    ///
    /// # Panics
    /// It may not end like that.
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
            // The callee was closing when the call came, and has not begun with it.
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
