//! In which order the calls to one agent start.

use std::cmp::Ordering;
use std::collections::VecDeque;

use crate::rpc::Access;

/// The calls to one agent: they start in the order in which they came.
///
/// Shared calls run side by side, an exclusive one alone. A shared call does not overtake an exclusive
/// one that waits. Nothing is allocated while nothing waits.
///
/// ```
/// use aiomas_core::agent::Mailbox;
/// use aiomas_core::rpc::Access;
///
/// let mut mailbox = Mailbox::new(16);
/// assert!(mailbox.begin(Access::Exclusive)); // "set" starts at once
/// assert!(!mailbox.begin(Access::Shared)); // "get" has to wait
/// mailbox.wait(Access::Shared, "get").unwrap();
/// mailbox.end(Access::Exclusive);
/// assert_eq!(mailbox.next(), Some((Access::Shared, "get")));
/// assert_eq!(mailbox.next(), None);
/// ```
#[derive(Debug)]
pub struct Mailbox<C> {
    queue: VecDeque<(Access, C)>,
    limit: u32,
    running: Running,
}

#[derive(Clone, Copy, Debug)]
enum Running {
    Shared(u32),
    Exclusive,
}

impl<C> Mailbox<C> {
    /// An idle mailbox in which up to `limit` calls may wait.
    #[must_use]
    pub const fn new(limit: u32) -> Self {
        Self { queue: VecDeque::new(), limit, running: Running::Shared(0) }
    }

    /// A call comes in: whether it may start at once. If not, let it [`wait`](Self::wait).
    #[must_use = "a call that may not start has to wait"]
    pub fn begin(&mut self, access: Access) -> bool {
        self.queue.is_empty() && self.start(access)
    }

    /// Lets a call wait until [`next`](Self::next) returns it.
    ///
    /// # Errors
    /// The queue is full. The call comes back, to be answered with a failure.
    pub fn wait(&mut self, access: Access, call: C) -> Result<(), C> {
        if self.queue.len() >= self.limit as usize {
            return Err(call);
        }
        self.queue.push_back((access, call));
        Ok(())
    }

    /// A call that was started has ended. Now ask [`next`](Self::next) until it returns `None`.
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

    /// The next call that may start now, if there is one. It counts as started.
    #[must_use = "a call that is dropped is never answered"]
    #[expect(clippy::should_implement_trait, reason = "more may come after `None`")]
    pub fn next(&mut self) -> Option<(Access, C)> {
        let &(access, _) = self.queue.front()?;
        if !self.start(access) {
            return None;
        }
        let next = self.queue.pop_front();
        if self.queue.is_empty() {
            // Most agents are never waited for again: give the memory back.
            self.queue = VecDeque::new();
        }
        next
    }

    /// Takes a call out of the queue that is given up. `compare` says how the call that is looked for and another
    /// one are ordered: `Less` if the other one came before. Now ask [`next`](Self::next), for whoever it was in the
    /// way of.
    pub fn withdraw(&mut self, mut compare: impl FnMut(&C) -> Ordering) -> Option<C> {
        let at = self.queue.binary_search_by(|(_, call)| compare(call)).ok()?;
        let (_, call) = self.queue.remove(at)?;
        if self.queue.is_empty() {
            self.queue = VecDeque::new();
        }
        Some(call)
    }

    /// Takes the calls that wait, in order: the agent is gone and they have to be answered.
    #[must_use = "calls that are dropped are never answered"]
    pub fn take_queue(&mut self) -> VecDeque<(Access, C)> {
        std::mem::take(&mut self.queue)
    }

    /// Whether no call runs and none waits.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && matches!(self.running, Running::Shared(0))
    }

    /// How many calls wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Counts a call as running if it may run beside those that do.
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

#[cfg(test)]
mod tests {
    use std::mem::size_of;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_shared_call_waits_behind_an_exclusive_one() {
        let mut mailbox = Mailbox::new(8);
        assert!(mailbox.begin(Access::Shared));
        for (access, call) in [(Access::Exclusive, 1), (Access::Shared, 2), (Access::Shared, 3)] {
            assert!(!mailbox.begin(access));
            assert_eq!(mailbox.wait(access, call), Ok(()));
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
        let mut mailbox = Mailbox::new(1);
        assert!(mailbox.begin(Access::Exclusive));
        assert_eq!(mailbox.wait(Access::Exclusive, 1), Ok(()));
        assert_eq!(mailbox.wait(Access::Shared, 2), Err(2));
        assert_eq!(mailbox.take_queue(), [(Access::Exclusive, 1)]);
        mailbox.end(Access::Exclusive);
        assert!(mailbox.is_idle());
        assert_eq!(mailbox.queue.capacity(), 0);
        assert!(size_of::<Mailbox<[u8; 1000]>>() <= 48);
    }

    proptest! {
        /// Against a model that keeps every call in one list.
        #[test]
        fn behaves_as_the_model(
            limit in 0_u32..5,
            steps in prop::collection::vec((any::<bool>(), any::<bool>(), any::<bool>(), any::<prop::sample::Index>()), 0..60),
        ) {
            let mut mailbox = Mailbox::new(limit);
            let mut running: Vec<(Access, usize)> = Vec::new();
            let mut waiting: Vec<(Access, usize)> = Vec::new();
            let may_start = |running: &[(Access, usize)], access| match access {
                Access::Shared => running.iter().all(|call| call.0 == Access::Shared),
                Access::Exclusive => running.is_empty(),
            };
            for (call, (arrives, shared, gives_up, which)) in steps.into_iter().enumerate() {
                if gives_up && !arrives && !waiting.is_empty() {
                    let (_, given_up) = waiting.remove(which.index(waiting.len()));
                    prop_assert_eq!(mailbox.withdraw(|other: &usize| other.cmp(&given_up)), Some(given_up));
                    prop_assert_eq!(mailbox.withdraw(|other: &usize| other.cmp(&given_up)), None);
                    while !waiting.is_empty() && may_start(&running, waiting[0].0) {
                        prop_assert_eq!(mailbox.next(), Some(waiting[0]));
                        running.push(waiting.remove(0));
                    }
                } else if arrives || running.is_empty() {
                    let access = if shared { Access::Shared } else { Access::Exclusive };
                    let starts = waiting.is_empty() && may_start(&running, access);
                    prop_assert_eq!(mailbox.begin(access), starts);
                    if starts {
                        running.push((access, call));
                    } else if waiting.len() < limit as usize {
                        waiting.push((access, call));
                        prop_assert_eq!(mailbox.wait(access, call), Ok(()));
                    } else {
                        prop_assert_eq!(mailbox.wait(access, call), Err(call));
                    }
                } else {
                    let (access, _) = running.swap_remove(which.index(running.len()));
                    mailbox.end(access);
                    while !waiting.is_empty() && may_start(&running, waiting[0].0) {
                        prop_assert_eq!(mailbox.next(), Some(waiting[0]));
                        running.push(waiting.remove(0));
                    }
                }
                prop_assert_eq!(mailbox.next(), None);
                prop_assert_eq!(mailbox.waiting(), waiting.len());
                prop_assert_eq!(mailbox.is_idle(), running.is_empty() && waiting.is_empty());
                prop_assert!(!waiting.is_empty() || mailbox.queue.capacity() == 0);
            }
        }
    }
}
