//! The order in which the calls to one agent start.

use super::fair::{FairQueue, QueueKey};
use crate::rpc::Access;
use crate::wire::RemoteError;

/// The queue of calls to one agent, which decides when each starts.
///
/// Shared calls run side by side, an exclusive one alone. A shared call does not overtake a waiting exclusive one. The
/// queue is allocated only while calls wait.
///
/// Calls come from *sources*, such as connections. The calls of one source start in order of arrival. Sources with
/// waiting calls take turns, one call each: so a call waits for at most one call of each other source for each call of
/// its own source in front of it. As long as each source has only one call waiting, calls start in order of arrival.
///
/// The sources share the capacity, too. When the queue is full, a call of a source with fewer waiting calls replaces
/// the last call of the source with the most: with `n` sources, each has at least an `n`-th of the capacity, and a
/// single source has all of it.
///
/// ```
/// use aiomas_core::agent::Mailbox;
/// use aiomas_core::rpc::Access;
///
/// let mut mailbox = Mailbox::new();
/// assert!(mailbox.begin(Access::Exclusive)); // "set" starts at once
/// assert!(!mailbox.begin(Access::Shared)); // "get" has to wait
/// let source = 1;
/// assert!(mailbox.wait(16, source, Access::Shared, "get").is_ok());
/// mailbox.end(Access::Exclusive);
/// assert_eq!(mailbox.next(), Some((Access::Shared, "get")));
/// assert_eq!(mailbox.next(), None);
/// ```
#[derive(Debug)]
pub struct Mailbox<C> {
    /// `None` while no call waits, as for most agents at most times.
    queue: Option<Box<FairQueue<(Access, C)>>>,
    running: Running,
}

#[derive(Clone, Copy, Debug)]
enum Running {
    Shared(u32),
    Exclusive,
}

impl<C> Mailbox<C> {
    /// Creates an idle mailbox.
    #[must_use]
    pub const fn new() -> Self {
        Self { queue: None, running: Running::Shared(0) }
    }

    /// Starts a new call if possible, and returns whether it started. If not, queue it with [`wait`](Self::wait).
    #[must_use = "a call that may not start has to wait"]
    pub fn begin(&mut self, access: Access) -> bool {
        self.queue.is_none() && self.start(access)
    }

    /// Queues a call from `source` until [`next`](Self::next) returns it, if at most `limit` calls wait.
    ///
    /// Returns the key for [`cancel`](Self::cancel), and the call that it replaces, if any: answer that one with a
    /// failure.
    ///
    /// # Errors
    /// The queue is full. Returns the call, to be answered with a failure.
    pub fn wait(
        &mut self,
        limit: u32,
        source: u64,
        access: Access,
        call: C,
    ) -> Result<(QueueKey, Option<C>), C> {
        let (limit, waiting) = (limit as usize, self.waiting());
        let mut displaced = None;
        if waiting >= limit {
            // With one more call, the source still must not have more than any other source.
            let fair = self.queue.as_mut().filter(|queue| {
                let own = queue.len_of(source);
                own < limit && own + 1 < queue.longest()
            });
            let Some(queue) = fair else { return Err(call) };
            displaced = queue.pop_longest().map(|(_, call)| call);
        }
        let queue = self.queue.get_or_insert_with(|| Box::new(FairQueue::new()));
        Ok((queue.push(source, (access, call)), displaced))
    }

    /// Records the end of a running call. Then call [`next`](Self::next) until it returns `None`.
    pub fn end(&mut self, access: Access) {
        self.running = match (access, self.running) {
            (Access::Shared, Running::Shared(count)) => Running::Shared(count.saturating_sub(1)),
            (Access::Exclusive, Running::Exclusive) => Running::Shared(0),
            (_, running) => {
                debug_assert!(false, "a call ended that has not been started");
                running
            }
        };
    }

    /// Returns the next call that may start now, if any. It counts as started.
    #[must_use = "a call that is dropped is never answered"]
    #[expect(clippy::should_implement_trait, reason = "more may come after `None`")]
    pub fn next(&mut self) -> Option<(Access, C)> {
        let &(access, _) = self.queue.as_ref()?.first()?;
        if !self.start(access) {
            return None;
        }
        self.with_queue(FairQueue::pop)
    }

    /// Removes a cancelled call, if it still waits. Then call [`next`](Self::next), for the calls behind it.
    pub fn cancel(&mut self, key: QueueKey) -> Option<C> {
        self.with_queue(|queue| queue.remove(key)).map(|(_, call)| call)
    }

    /// Removes the waiting calls, in order. The agent is gone and they have to be answered.
    #[must_use = "calls that are dropped are never answered"]
    pub fn take_queue(&mut self) -> Vec<(Access, C)> {
        let queue = self.queue.take();
        queue.into_iter().flat_map(|mut queue| std::iter::from_fn(move || queue.pop())).collect()
    }

    /// Returns whether no call runs or waits.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.queue.is_none() && matches!(self.running, Running::Shared(0))
    }

    /// Returns the number of waiting calls.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.len())
    }

    /// Changes the queue, and releases it if it is empty then.
    fn with_queue<R>(&mut self, f: impl FnOnce(&mut FairQueue<(Access, C)>) -> R) -> R
    where
        R: Default,
    {
        let Some(queue) = &mut self.queue else { return R::default() };
        let result = f(queue);
        if queue.len() == 0 {
            self.queue = None;
        }
        result
    }

    /// Counts a call as running if it may run beside the running ones.
    fn start(&mut self, access: Access) -> bool {
        self.running = match (access, self.running) {
            (Access::Shared, Running::Shared(count)) if count < u32::MAX => {
                Running::Shared(count + 1)
            }
            (Access::Exclusive, Running::Shared(0)) => Running::Exclusive,
            _ => return false,
        };
        true
    }
}

impl<C> Default for Mailbox<C> {
    fn default() -> Self {
        Self::new()
    }
}

/// Creates the failure of a call that found the queue full or was replaced.
///
/// The caller may be a stranger: it learns no more than its own call reveals.
#[cold]
#[doc(hidden)]
pub fn overloaded(waiting: usize) -> RemoteError {
    let text = format!("{waiting} calls wait for their turn already (`Limits::max_mailbox` there)");
    RemoteError::new("OverloadedError", text)
}

#[cfg(test)]
mod tests {
    use std::mem::size_of;

    use proptest::prelude::*;

    use super::*;

    /// Queues a call that replaces no other.
    fn wait<C: std::fmt::Debug>(mailbox: &mut Mailbox<C>, source: u64, access: Access, call: C) {
        let (_, displaced) = mailbox.wait(100, source, access, call).expect("there is room");
        assert!(displaced.is_none());
    }

    fn order<C>(mailbox: &mut Mailbox<C>) -> Vec<C> {
        mailbox.take_queue().into_iter().map(|(_, call)| call).collect()
    }

    #[test]
    fn a_shared_call_waits_behind_an_exclusive_one() {
        let mut mailbox = Mailbox::new();
        assert!(mailbox.begin(Access::Shared));
        for (access, call) in [(Access::Exclusive, 1), (Access::Shared, 2), (Access::Shared, 3)] {
            assert!(!mailbox.begin(access));
            wait(&mut mailbox, 7, access, call);
        }
        assert_eq!(mailbox.next(), None);
        mailbox.end(Access::Shared);
        assert_eq!(mailbox.next(), Some((Access::Exclusive, 1)));
        assert_eq!(mailbox.next(), None);
        mailbox.end(Access::Exclusive);
        assert_eq!(mailbox.next(), Some((Access::Shared, 2)));
        assert_eq!(mailbox.next(), Some((Access::Shared, 3)));
        assert_eq!(mailbox.next(), None);
    }

    #[test]
    fn the_queue_is_bounded_and_freed() {
        let mut mailbox = Mailbox::new();
        assert!(mailbox.begin(Access::Exclusive));
        assert_eq!(mailbox.wait(0, 7, Access::Shared, 0), Err(0));
        assert!(mailbox.wait(1, 7, Access::Exclusive, 1).is_ok());
        assert_eq!(mailbox.wait(1, 7, Access::Shared, 2), Err(2));
        assert_eq!(mailbox.wait(1, 8, Access::Shared, 2), Err(2), "no source has more");
        assert_eq!(order(&mut mailbox), [1]);
        mailbox.end(Access::Exclusive);
        assert!(mailbox.is_idle() && mailbox.queue.is_none());
        assert!(size_of::<Mailbox<[u8; 1000]>>() <= 16);
    }

    /// Calls start in order of arrival, unless their source has other calls in front.
    #[test]
    fn sources_take_turns() {
        let mut mailbox = Mailbox::new();
        assert!(mailbox.begin(Access::Exclusive));
        for call in ["a1", "a2", "a3", "b1", "c1", "b2"] {
            wait(&mut mailbox, call.as_bytes()[0].into(), Access::Shared, call);
        }
        mailbox.end(Access::Exclusive);
        assert_eq!(mailbox.next(), Some((Access::Shared, "a1")));
        wait(&mut mailbox, b'd'.into(), Access::Shared, "d1");
        assert_eq!(order(&mut mailbox), ["b1", "c1", "a2", "d1", "b2", "a3"]);
    }

    /// A single source has the whole capacity. A later source gets its share, from the others' ends.
    #[test]
    fn sources_share_the_places() {
        let mut mailbox = Mailbox::new();
        assert!(mailbox.begin(Access::Exclusive));
        for call in 0..6 {
            assert!(mailbox.wait(6, 1, Access::Exclusive, (1, call)).is_ok());
        }
        let mut add = |source, call| {
            let result = mailbox.wait(6, source, Access::Exclusive, (source, call));
            result.map(|(_, displaced)| displaced)
        };
        assert_eq!(add(1, 6), Err((1, 6)));
        assert_eq!(add(2, 0), Ok(Some((1, 5))));
        assert_eq!(add(2, 1), Ok(Some((1, 4))));
        assert_eq!(add(2, 2), Ok(Some((1, 3))));
        assert_eq!(add(2, 3), Err((2, 3)), "it has as many as the other");
        assert_eq!(add(3, 0), Ok(Some((2, 2))));
        assert_eq!(add(3, 1), Ok(Some((1, 2))));
        assert_eq!(add(1, 7), Err((1, 7)));
        assert_eq!(order(&mut mailbox), [(1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (3, 1)]);
    }

    /// A source with a larger limit does not lock out one with a smaller limit.
    #[test]
    fn the_limit_is_the_newcomers() {
        let mut mailbox = Mailbox::new();
        assert!(mailbox.begin(Access::Exclusive));
        for call in 0..6 {
            assert!(mailbox.wait(6, 1, Access::Exclusive, call).is_ok());
        }
        assert_eq!(mailbox.wait(2, 2, Access::Exclusive, 6).map(|(_, call)| call), Ok(Some(5)));
        assert_eq!(mailbox.wait(2, 2, Access::Exclusive, 7).map(|(_, call)| call), Ok(Some(4)));
        assert_eq!(mailbox.wait(2, 2, Access::Exclusive, 8).err(), Some(8), "two may wait");
        assert_eq!(mailbox.waiting(), 6);
    }

    /// A waiting call in the model.
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Call {
        source: u64,
        access: Access,
        number: usize,
    }

    /// A list of all calls in order of arrival, and of the sources by turns.
    #[derive(Default)]
    struct Model {
        waiting: Vec<Call>,
        turns: Vec<u64>,
        running: Vec<Access>,
    }

    impl Model {
        fn of(&self, source: u64) -> impl Iterator<Item = &Call> {
            self.waiting.iter().filter(move |call| call.source == source)
        }

        fn may_start(&self, access: Access) -> bool {
            match access {
                Access::Shared => self.running.iter().all(|running| *running == Access::Shared),
                Access::Exclusive => self.running.is_empty(),
            }
        }

        fn remove(&mut self, call: Call) {
            self.waiting.retain(|other| *other != call);
            let Self { waiting, turns, .. } = self;
            turns.retain(|source| waiting.iter().any(|call| call.source == *source));
        }

        /// Returns whether the call waits, and the call that it replaces.
        fn wait(&mut self, limit: usize, call: Call) -> (bool, Option<Call>) {
            let mut displaced = None;
            if self.waiting.len() >= limit {
                let (own, lengths) =
                    (self.of(call.source).count(), |source| self.of(source).count());
                // Among equals, the last.
                let longest = self.turns.iter().copied().max_by_key(|source| lengths(*source));
                let Some(longest) = longest else { return (false, None) };
                if own >= limit || own + 1 >= lengths(longest) {
                    return (false, None);
                }
                displaced = self.of(longest).last().copied();
                displaced.into_iter().for_each(|call| self.remove(call));
            }
            self.waiting.push(call);
            if !self.turns.contains(&call.source) {
                self.turns.push(call.source);
            }
            (true, displaced)
        }

        /// Starts the next call, if it may.
        fn next(&mut self) -> Option<Call> {
            let source = *self.turns.first()?;
            let call = *self.of(source).next()?;
            if !self.may_start(call.access) {
                return None;
            }
            self.running.push(call.access);
            self.remove(call);
            if self.turns.first() == Some(&source) {
                self.turns.rotate_left(1);
            }
            Some(call)
        }
    }

    proptest! {
        #[test]
        fn behaves_as_the_model(
            limit in 0_u32..8,
            steps in prop::collection::vec(
                (0_u8..4, any::<bool>(), 0_u64..4, any::<prop::sample::Index>()), 0..80,
            ),
        ) {
            let (mut mailbox, mut model) = (Mailbox::new(), Model::default());
            let mut keys: Vec<Option<QueueKey>> = Vec::new();
            for (number, (step, shared, source, which)) in steps.into_iter().enumerate() {
                match step {
                    0 if !model.running.is_empty() => {
                        let access = model.running.swap_remove(which.index(model.running.len()));
                        mailbox.end(access);
                    }
                    1 if !model.waiting.is_empty() => {
                        let call = model.waiting[which.index(model.waiting.len())];
                        model.remove(call);
                        let key = keys[call.number].expect("it waits");
                        prop_assert_eq!(mailbox.cancel(key), Some(call));
                        prop_assert_eq!(mailbox.cancel(key), None);
                    }
                    _ => {
                        let access = if shared { Access::Shared } else { Access::Exclusive };
                        let call = Call { source, access, number };
                        let starts = model.waiting.is_empty() && model.may_start(access);
                        prop_assert_eq!(mailbox.begin(access), starts);
                        if starts {
                            model.running.push(access);
                        } else {
                            let (waits, expected) = model.wait(limit as usize, call);
                            let result = mailbox.wait(limit, source, access, call);
                            prop_assert_eq!(result.is_ok(), waits);
                            if let Ok((key, displaced)) = result {
                                prop_assert_eq!(displaced, expected);
                                keys.resize(number + 1, None);
                                keys[number] = Some(key);
                            }
                        }
                    }
                }
                while let Some(call) = model.next() {
                    prop_assert_eq!(mailbox.next(), Some((call.access, call)));
                }
                prop_assert_eq!(mailbox.next(), None);
                prop_assert_eq!(mailbox.waiting(), model.waiting.len());
                prop_assert_eq!(mailbox.is_idle(), model.running.is_empty() && model.waiting.is_empty());
                prop_assert!(!model.waiting.is_empty() || mailbox.queue.is_none());
            }
        }
    }
}
