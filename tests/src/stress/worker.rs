//! The agents of the model.

use std::time::Duration;

use aiomas::clock::Clock;
use aiomas::{Error, agent};

use super::oracle::{Kind, Oracle, answer, failure};

/// The time agents wait for calls on behalf of others: a peer without power does not answer.
const PATIENCE: Duration = Duration::from_secs(20);
/// The maximum number of kept references.
const MAX_KEPT: usize = 4;

/// Executes the request of a call's token, and informs the oracle.
#[derive(Debug)]
pub struct Worker {
    oracle: Oracle,
    clock: Clock,
    busy: bool,
    kept: Vec<WorkerProxy>,
}

impl Worker {
    /// Creates a worker that waits by this clock.
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

    /// Answers later, and blocks all other calls until then.
    #[expose]
    pub async fn alone(&mut self, token: u64, seconds: f64) -> Result<u64, Error> {
        struct Busy<'a>(&'a mut bool);
        impl Drop for Busy<'_> {
            fn drop(&mut self) {
                *self.0 = false;
            }
        }
        assert!(!std::mem::replace(&mut self.busy, true), "an exclusive call runs alone");
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

    /// Calls another worker before it answers.
    #[expose]
    pub async fn relay(&self, token: u64, other: WorkerProxy) -> Result<u64, Error> {
        self.oracle.run(token);
        self.ask(&other).await?;
        Ok(answer(token))
    }

    /// Keeps a reference for later calls.
    #[expose]
    pub fn keep(&mut self, token: u64, other: WorkerProxy) -> u64 {
        self.oracle.run(token);
        if self.kept.len() == MAX_KEPT {
            self.kept.remove(0);
        }
        self.kept.push(other);
        answer(token)
    }

    /// Calls all kept references. Their results are checked separately.
    #[expose]
    pub async fn ask_kept(&self, token: u64) -> u64 {
        self.oracle.run(token);
        for other in &self.kept {
            // The oracle has checked the result.
            let _result = self.ask(other).await;
        }
        answer(token)
    }
}
