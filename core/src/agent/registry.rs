//! The agents of a container.

use std::collections::BTreeMap;
use std::sync::Arc;

/// The agents by id. Ids are the numbers from 0, in decimal, as in aiomas, and are never used again.
#[derive(Debug)]
pub(super) struct Registry<S> {
    agents: BTreeMap<u64, Agent<S>>,
    next: u64,
}

#[derive(Debug)]
pub(super) struct Agent<S> {
    pub(super) type_name: Arc<str>,
    pub(super) service: S,
}

impl<S> Registry<S> {
    pub(super) const fn new() -> Self {
        Self { agents: BTreeMap::new(), next: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.agents.len()
    }

    /// Adds an agent and returns its id.
    pub(super) fn add(&mut self, type_name: &str, service: S) -> String {
        let number = self.next;
        self.next += 1;
        self.agents.insert(number, Agent { type_name: type_name.into(), service });
        number.to_string()
    }

    pub(super) fn remove(&mut self, aid: &str) -> Option<S> {
        self.agents.remove(&number(aid)?).map(|agent| agent.service)
    }

    pub(super) fn get(&self, aid: &str) -> Option<&Agent<S>> {
        self.numbered(number(aid)?)
    }

    pub(super) fn numbered(&self, number: u64) -> Option<&Agent<S>> {
        self.agents.get(&number)
    }
}

/// The number that is written so; `None` for `01`, `+1` and whatever else is no agent's id.
#[doc(hidden)]
pub fn number(aid: &str) -> Option<u64> {
    let canonical = matches!(aid.as_bytes(), [b'0'] | [b'1'..=b'9', ..]);
    aid.parse().ok().filter(|_| canonical)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_count_from_zero_and_are_not_used_again() {
        let mut registry = Registry::new();
        assert_eq!(registry.add("A", 'a'), "0");
        assert_eq!(registry.add("B", 'b'), "1");
        assert_eq!(registry.remove("1"), Some('b'));
        assert_eq!(registry.remove("1"), None);
        assert_eq!(registry.add("C", 'c'), "2");
        assert_eq!(registry.get("2").map(|agent| &*agent.type_name), Some("C"));
        assert_eq!(registry.len(), 2);
    }

    #[test]
    fn an_id_is_written_in_one_way() {
        let mut registry = Registry::new();
        registry.add("A", ());
        registry.add("B", ());
        for aid in ["01", "+1", "-0", "00", "", " 1", "1/", "18446744073709551616"] {
            assert!(registry.get(aid).is_none(), "{aid:?}");
        }
    }
}
