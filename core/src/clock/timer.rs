//! A queue of items that are due at given times.

use std::collections::BTreeMap;

/// A queue of items ordered by time, then by insertion.
///
/// The queue is a B-tree keyed by time and insertion number. Every operation takes O(log n) steps (some tenths of a
/// microsecond with a million items), and a cancelled item is freed at once. The queue has no limit: its user must have
/// one.
///
/// ```
/// use aiomas_core::clock::timer::TimerQueue;
///
/// let mut queue = TimerQueue::new();
/// let first = queue.insert(10, "first");
/// queue.insert(20, "second");
/// assert_eq!(queue.next(), Some(10));
/// assert_eq!(queue.cancel(first), Some("first"));
/// assert_eq!(queue.expire(20), Some((20, "second")));
/// assert_eq!(queue.expire(20), None);
/// ```
#[derive(Debug, Clone)]
pub struct TimerQueue<K, T> {
    items: BTreeMap<TimerKey<K>, T>,
    inserted: u64,
}

/// The key of an item, for [`TimerQueue::cancel`].
///
/// Keys are never reused, so the key of an expired or cancelled item finds nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimerKey<K> {
    // The order of the fields is the order of the queue.
    at: K,
    number: u64,
}

impl<K: Copy> TimerKey<K> {
    /// Returns the time at which the item is due.
    #[must_use]
    pub const fn at(&self) -> K {
        self.at
    }
}

impl<K: Ord + Copy, T> TimerQueue<K, T> {
    /// Creates an empty queue.
    #[must_use]
    pub const fn new() -> Self {
        Self { items: BTreeMap::new(), inserted: 0 }
    }

    /// Adds an item that is due at `at`.
    pub fn insert(&mut self, at: K, item: T) -> TimerKey<K> {
        let key = TimerKey { at, number: self.inserted };
        self.inserted += 1;
        self.items.insert(key, item);
        key
    }

    /// Removes and returns an item, unless it has expired or was cancelled.
    pub fn cancel(&mut self, key: TimerKey<K>) -> Option<T> {
        self.items.remove(&key)
    }

    /// Returns the time at which the first item is due.
    #[must_use]
    pub fn next(&self) -> Option<K> {
        self.items.first_key_value().map(|(key, _)| key.at)
    }

    /// Takes the first item if it is due at `now`. Call it until it returns `None`.
    pub fn expire(&mut self, now: K) -> Option<(K, T)> {
        let first = self.items.first_entry().filter(|first| first.key().at <= now)?;
        let (key, item) = first.remove_entry();
        Some((key.at, item))
    }

    /// Returns the number of items.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Returns `true` if the queue is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

impl<K: Ord + Copy, T> Default for TimerQueue<K, T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Insert(u8),
        /// Cancels the n-th of all keys ever returned.
        Cancel(prop::sample::Index),
        Expire(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..20_u8).prop_map(Step::Insert),
            1 => any::<prop::sample::Index>().prop_map(Step::Cancel),
            2 => (0..20_u8).prop_map(Step::Expire),
        ]
    }

    proptest! {
        /// The queue behaves like a plain list, searched from the front.
        #[test]
        fn behaves_like_a_list(steps in prop::collection::vec(step(), 0..200)) {
            let mut queue = TimerQueue::new();
            let mut keys = Vec::new();
            let mut list: Vec<(u8, usize)> = Vec::new();
            for step in steps {
                match step {
                    Step::Insert(at) => {
                        list.push((at, keys.len()));
                        keys.push(queue.insert(at, keys.len()));
                    }
                    Step::Cancel(index) if !keys.is_empty() => {
                        let n = index.index(keys.len());
                        let found = list.iter().position(|(_, item)| *item == n);
                        let expected = found.map(|i| list.remove(i).1);
                        prop_assert_eq!(queue.cancel(keys[n]), expected);
                    }
                    Step::Cancel(_) => {}
                    Step::Expire(now) => {
                        let first = list.iter().copied().min();
                        let due = first.filter(|(at, _)| *at <= now);
                        list.retain(|entry| Some(*entry) != due);
                        prop_assert_eq!(queue.expire(now), due);
                    }
                }
                prop_assert_eq!(queue.next(), list.iter().map(|(at, _)| *at).min());
                prop_assert_eq!(queue.len(), list.len());
            }
        }
    }

    #[test]
    fn equal_times_expire_in_insertion_order() {
        let mut queue = TimerQueue::new();
        for item in 0..100 {
            queue.insert(item / 50, item);
        }
        let order: Vec<_> = std::iter::from_fn(|| queue.expire(1)).map(|(_, item)| item).collect();
        assert_eq!(order, Vec::from_iter(0..100));
    }

    #[test]
    fn stale_keys_find_nothing() {
        let mut queue = TimerQueue::new();
        let cancelled = queue.insert(1, 'a');
        assert_eq!(queue.cancel(cancelled), Some('a'));
        let expired = queue.insert(1, 'b');
        assert_eq!(queue.expire(1), Some((1, 'b')));
        queue.insert(1, 'c');
        assert_eq!((queue.cancel(cancelled), queue.cancel(expired)), (None, None));
        assert_eq!(queue.len(), 1);
    }
}
