//! The agents of a container.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::error::ContainerError;

/// The agents of a container, by their ids: the numbers from 0, in decimal, as in aiomas.
///
/// Numbers are never reused: a proxy of a removed agent must not call its successor. `S` is the service of an agent.
/// The table is separate from the [`Container`](super::Container), so that a host with threads can look agents up
/// beside the container's lock.
///
/// ```
/// use aiomas_core::agent::{Agents, ContainerError};
///
/// let mut agents = Agents::new(1);
/// assert_eq!(agents.insert("meter"), Ok(0));
/// assert_eq!(agents.insert("clock"), Err(ContainerError::TooManyAgents { limit: 1 }));
/// assert_eq!(agents.get("0"), Some(&"meter"));
/// assert_eq!(agents.get("00"), None);
/// ```
#[derive(Debug)]
pub struct Agents<S> {
    agents: HashMap<u64, S, BuildHasherDefault<Spread>>,
    next: u64,
    limit: usize,
    shut_down: bool,
}

impl<S> Agents<S> {
    /// Creates an empty table with room for `limit` agents.
    ///
    /// See [`ContainerConfig::max_agents`](super::ContainerConfig::max_agents).
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { agents: HashMap::default(), next: 0, limit, shut_down: false }
    }

    /// Adds an agent, and returns its number.
    ///
    /// # Errors
    /// There are too many agents, or the container is shut down.
    pub fn insert(&mut self, agent: S) -> Result<u64, ContainerError> {
        self.insert_with(|_| agent)
    }

    /// Adds the agent that `make` returns for its number.
    ///
    /// # Errors
    /// As [`insert`](Self::insert). `make` is not called then.
    pub fn insert_with(&mut self, make: impl FnOnce(u64) -> S) -> Result<u64, ContainerError> {
        if self.shut_down {
            return Err(ContainerError::ShutDown);
        }
        let limit = self.limit;
        if self.agents.len() >= limit {
            return Err(ContainerError::TooManyAgents { limit });
        }
        let number = self.next;
        self.next += 1;
        self.agents.insert(number, make(number));
        Ok(number)
    }

    /// Removes an agent. Later calls to the agent fail.
    pub fn remove(&mut self, aid: &str) -> Option<S> {
        self.agents.remove(&number(aid)?)
    }

    /// Returns the agent with this id.
    #[must_use]
    pub fn get(&self, aid: &str) -> Option<&S> {
        self.numbered(number(aid)?)
    }

    /// Returns the agent with this number.
    #[must_use]
    #[inline]
    pub fn numbered(&self, number: u64) -> Option<&S> {
        self.agents.get(&number)
    }

    /// Returns the number of agents.
    #[must_use]
    pub fn len(&self) -> usize {
        self.agents.len()
    }

    /// Returns whether the table is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.agents.is_empty()
    }

    /// Returns all agents with their numbers, in order.
    #[must_use]
    pub fn all(&self) -> Vec<(u64, &S)> {
        #[expect(clippy::disallowed_methods, reason = "it is sorted below")]
        let mut all: Vec<_> = self.agents.iter().map(|(number, agent)| (*number, agent)).collect();
        all.sort_unstable_by_key(|(number, _)| *number);
        all
    }

    /// Refuses new agents from now on. Existing ones stay.
    pub const fn shut_down(&mut self) {
        self.shut_down = true;
    }

    /// Removes all agents, and returns them in order.
    #[must_use]
    pub fn take(&mut self) -> Vec<(u64, S)> {
        let mut all: Vec<_> = std::mem::take(&mut self.agents).into_iter().collect();
        all.sort_unstable_by_key(|(number, _)| *number);
        all
    }
}

/// Parses an agent's number. `None` for `01`, `+1` and any other text that is no agent's id.
#[doc(hidden)]
pub fn number(aid: &str) -> Option<u64> {
    let canonical = matches!(aid.as_bytes(), [b'0'] | [b'1'..=b'9', ..]);
    aid.parse().ok().filter(|_| canonical)
}

/// A hasher that spreads consecutive numbers. No peer chooses them, so it needs no secret.
#[derive(Clone, Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0 ^ u64::from(*byte));
        }
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        // Fibonacci hashing: the multiplier is 2^64 divided by the golden ratio.
        self.0 = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_count_from_zero_and_are_not_used_again() {
        let mut agents = Agents::new(9);
        assert_eq!(agents.insert('a'), Ok(0));
        assert_eq!(agents.insert('b'), Ok(1));
        assert_eq!(agents.remove("1"), Some('b'));
        assert_eq!(agents.remove("1"), None);
        assert_eq!(agents.insert_with(|number| if number == 2 { 'c' } else { 'x' }), Ok(2));
        assert_eq!(agents.get("2"), Some(&'c'));
        assert_eq!(agents.all(), [(0, &'a'), (2, &'c')]);
        assert_eq!(agents.len(), 2);
        assert_eq!(agents.take(), [(0, 'a'), (2, 'c')]);
        assert!(agents.is_empty());
    }

    #[test]
    fn an_id_is_written_in_one_way() {
        let mut agents = Agents::new(9);
        agents.insert(()).unwrap();
        agents.insert(()).unwrap();
        for aid in ["01", "+1", "-0", "00", "", " 1", "1/", "18446744073709551616"] {
            assert!(agents.get(aid).is_none(), "{aid:?}");
        }
    }

    #[test]
    fn limits_are_refusals() {
        let mut agents = Agents::new(1);
        agents.insert("service").unwrap();
        assert_eq!(agents.insert(""), Err(ContainerError::TooManyAgents { limit: 1 }));
        assert_eq!(agents.remove("0"), Some("service"));
        assert_eq!(agents.insert("service"), Ok(1), "a refusal takes no number");
        agents.shut_down();
        assert_eq!(agents.insert(""), Err(ContainerError::ShutDown));
        assert_eq!(agents.get("1"), Some(&"service"));
    }
}
