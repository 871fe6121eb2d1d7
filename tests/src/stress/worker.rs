//! The agents of the model.

use std::time::Duration;

use aiomas::clock::Clock;
use aiomas::{Error, agent};

use super::oracle::{Kind, Oracle, answer, failure};

/// How long agents wait for those whom they call for others: a peer that has lost power says nothing.
const PATIENCE: Duration = Duration::from_secs(20);
/// So many references are kept.
const MAX_KEPT: usize = 4;

/// Does what the token of a call asks for, and tells the ledger.
#[derive(Debug)]
pub struct Worker {
    oracle: Oracle,
    clock: Clock,
    busy: bool,
    kept: Vec<WorkerProxy>,
}

impl Worker {
    /// A clerk who waits by this clock.
    #[must_use]
    pub const fn new(oracle: Oracle, clock: Clock) -> Self {
        Self { oracle, clock, busy: false, kept: Vec::new() }
    }

    async fn ask(&self, other: &WorkerProxy) -> Result<u64, Error> {
        let ticket = self.oracle.begin(Kind::Inner, None);
        let result = other.with_timeout(PATIENCE).stamp(ticket.token()).await;
        match &result {
            Err(Error::TimedOut { .. }) => drop(ticket),
            result => ticket.end(None, result),
        }
        result
    }
}

#[agent]
impl Worker {
    /// Answers at once.
    #[expose]
    pub fn stamp(&self, token: u64) -> u64 {
        self.oracle.run(token);
        answer(token)
    }

    /// Answers later.
    #[expose]
    pub async fn later(&self, token: u64, seconds: f64) -> Result<u64, Error> {
        self.oracle.run(token);
        self.clock.sleep(seconds).await?;
        Ok(answer(token))
    }

    /// Answers later, and lets nobody else in until then.
    #[expose]
    pub async fn alone(&mut self, token: u64, seconds: f64) -> Result<u64, Error> {
        struct Busy<'a>(&'a mut bool);
        impl Drop for Busy<'_> {
            fn drop(&mut self) {
                *self.0 = false;
            }
        }
        assert!(!std::mem::replace(&mut self.busy, true), "somebody else is in here");
        let _busy = Busy(&mut self.busy);
        self.oracle.run(token);
        self.clock.sleep(seconds).await?;
        Ok(answer(token))
    }

    /// Fails.
    #[expose]
    pub fn refuse(&self, token: u64) -> Result<u64, String> {
        self.oracle.run(token);
        Err(failure(token))
    }

    /// Calls somebody before it answers.
    #[expose]
    pub async fn relay(&self, token: u64, other: WorkerProxy) -> Result<u64, Error> {
        self.oracle.run(token);
        self.ask(&other).await?;
        Ok(answer(token))
    }

    /// Keeps a reference for others.
    #[expose]
    pub fn keep(&mut self, token: u64, other: WorkerProxy) -> u64 {
        self.oracle.run(token);
        if self.kept.len() == MAX_KEPT {
            self.kept.remove(0);
        }
        self.kept.push(other);
        answer(token)
    }

    /// Calls all those that are kept. What becomes of that is theirs.
    #[expose]
    pub async fn ask_kept(&self, token: u64) -> u64 {
        self.oracle.run(token);
        for other in &self.kept {
            // The ledger has seen what came of it.
            let _result = self.ask(other).await;
        }
        answer(token)
    }
}
