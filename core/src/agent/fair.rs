//! A queue that its sources share fairly.

use std::collections::{BTreeMap, BTreeSet};

/// Items of several sources. The items of one source keep their order; sources take turns, in order of arrival.
///
/// Peers choose the number of sources and items, and which items are removed: so each operation takes O(log n).
#[derive(Debug)]
pub(super) struct FairQueue<T> {
    sources: BTreeMap<u64, Source<T>>,
    /// The sources in the order of their turns.
    turns: BTreeMap<u64, u64>,
    /// The sources in the order of their numbers of items, and then of their turns.
    lengths: BTreeSet<(usize, u64)>,
    len: usize,
    /// The number of the last item.
    last: u64,
    /// The last turn given to a source.
    last_turn: u64,
}

#[derive(Debug)]
struct Source<T> {
    /// The items by their numbers, which count up. Never empty.
    items: BTreeMap<u64, T>,
    turn: u64,
}

/// The position of an item in a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueKey {
    source: u64,
    number: u64,
}

impl<T> FairQueue<T> {
    pub(super) const fn new() -> Self {
        Self {
            sources: BTreeMap::new(),
            turns: BTreeMap::new(),
            lengths: BTreeSet::new(),
            len: 0,
            last: 0,
            last_turn: 0,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Returns the number of items of a source.
    pub(super) fn len_of(&self, source: u64) -> usize {
        self.sources.get(&source).map_or(0, |source| source.items.len())
    }

    /// Returns the largest number of items of one source.
    pub(super) fn longest(&self) -> usize {
        self.lengths.last().map_or(0, |(length, _)| *length)
    }

    pub(super) fn push(&mut self, source: u64, item: T) -> QueueKey {
        self.last += 1;
        let number = self.last;
        match self.sources.get_mut(&source) {
            Some(Source { items, turn }) => {
                self.lengths.remove(&(items.len(), *turn));
                items.insert(number, item);
                self.lengths.insert((items.len(), *turn));
            }
            None => self.insert(source, BTreeMap::from([(number, item)])),
        }
        self.len += 1;
        QueueKey { source, number }
    }

    /// Returns the next item: the first one of the source whose turn it is.
    pub(super) fn first(&self) -> Option<&T> {
        let (_, source) = self.turns.first_key_value()?;
        self.sources.get(source)?.items.values().next()
    }

    /// Removes the next item. The turn of its source is over.
    pub(super) fn pop(&mut self) -> Option<T> {
        let source = *self.turns.first_key_value()?.1;
        let mut items = self.take(source)?;
        let (_, item) = items.pop_first()?;
        if !items.is_empty() {
            self.insert(source, items);
        }
        self.len -= 1;
        Some(item)
    }

    /// Removes the last item of the source with the most. Among equals, the source with the last turn loses its item.
    pub(super) fn pop_longest(&mut self) -> Option<T> {
        let (_, turn) = self.lengths.last()?;
        let source = *self.turns.get(turn)?;
        let number = *self.sources.get(&source)?.items.last_key_value()?.0;
        self.remove(QueueKey { source, number })
    }

    /// Removes an item from the middle. The turn of its source stays.
    pub(super) fn remove(&mut self, key: QueueKey) -> Option<T> {
        let Source { items, turn } = self.sources.get_mut(&key.source)?;
        let item = items.remove(&key.number)?;
        let (left, turn) = (items.len(), *turn);
        self.lengths.remove(&(left + 1, turn));
        if left > 0 {
            self.lengths.insert((left, turn));
        } else {
            self.turns.remove(&turn);
            self.sources.remove(&key.source);
        }
        self.len -= 1;
        Some(item)
    }

    /// Adds a source with the last turn.
    fn insert(&mut self, source: u64, items: BTreeMap<u64, T>) {
        self.last_turn += 1;
        let turn = self.last_turn;
        self.turns.insert(turn, source);
        self.lengths.insert((items.len(), turn));
        self.sources.insert(source, Source { items, turn });
    }

    /// Removes a source, with its items.
    fn take(&mut self, source: u64) -> Option<BTreeMap<u64, T>> {
        let Source { items, turn } = self.sources.remove(&source)?;
        self.turns.remove(&turn);
        self.lengths.remove(&(items.len(), turn));
        Some(items)
    }
}
