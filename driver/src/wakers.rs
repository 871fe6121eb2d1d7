//! The wakers of tasks that wait for the same event.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Mutex;
use std::task::{Context, Waker};

use super::contain::wake_all;
use super::lock::lock;

/// The wakers of tasks that wait for one event, in the order of registration.
///
/// A future registers through a [`Registration`], which holds one entry for the lifetime of the future: a set never has
/// more wakers than waiting futures, however often and by however many tasks they are polled.
///
/// The set has a lock of its own, which is taken last: registering, and taking wakers, is allowed under the lock that
/// guards the event. A registration is dropped without any lock. Wakers are called and dropped without the lock,
/// because either may run a future that is registered here.
#[derive(Debug, Default)]
pub(super) struct WakerSet(Mutex<Wakers>);

#[derive(Debug, Default)]
struct Wakers {
    registered: BTreeMap<u64, Waker>,
    /// The last id given to a registration. No id is used twice.
    last: u64,
}

/// An event that tasks wait for.
pub(super) trait Awaited {
    /// Returns the tasks that wait for it.
    fn wakers(&self) -> &WakerSet;
}

impl Awaited for WakerSet {
    fn wakers(&self) -> &WakerSet {
        self
    }
}

impl WakerSet {
    /// Wakes all registered tasks. Each must register again for the next event.
    pub(super) fn wake(&self) {
        let wakers = std::mem::take(&mut lock(&self.0).registered);
        wake_all(wakers.into_values());
    }

    /// Takes the wakers for the caller to wake, because it may hold a lock. Otherwise it acts like
    /// [`wake`](Self::wake).
    pub(super) fn take(&self, into: &mut Vec<Waker>) {
        into.extend(std::mem::take(&mut lock(&self.0).registered).into_values());
    }
}

/// A future's entry in the [`WakerSet`] of its event. Dropping it removes the waker.
pub(super) struct Registration<P: Deref<Target: Awaited>> {
    awaited: P,
    /// Set by the first registration.
    id: Option<u64>,
}

impl<P: Deref<Target: Awaited>> Registration<P> {
    pub(super) const fn new(awaited: P) -> Self {
        Self { awaited, id: None }
    }

    pub(super) const fn awaited(&self) -> &P {
        &self.awaited
    }

    /// Registers this task, in place of the previously registered one.
    ///
    /// To miss no event, register under the lock that guards the event, or check for the event after registering.
    pub(super) fn register(&mut self, cx: &Context<'_>) {
        let _replaced = {
            let mut wakers = lock(&self.awaited.wakers().0);
            let Wakers { registered, last } = &mut *wakers;
            let id = *self.id.get_or_insert_with(|| {
                *last += 1;
                *last
            });
            match registered.get(&id) {
                Some(waker) if waker.will_wake(cx.waker()) => None,
                _ => registered.insert(id, cx.waker().clone()),
            }
        };
    }
}

impl<P: Deref<Target: Awaited>> Drop for Registration<P> {
    fn drop(&mut self) {
        let Some(id) = self.id else { return };
        let _removed = {
            let mut wakers = lock(&self.awaited.wakers().0);
            wakers.registered.remove(&id)
        };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Task {
        fn woken(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn register(registration: &mut Registration<&WakerSet>, task: &Arc<Task>) {
        registration.register(&Context::from_waker(&Waker::from(task.clone())));
    }

    #[test]
    fn each_registration_holds_one_waker_until_it_is_dropped() {
        let (set, tasks) = (WakerSet::default(), [(); 3].map(|()| Arc::<Task>::default()));
        let (mut one, mut other) = (Registration::new(&set), Registration::new(&set));
        register(&mut one, &tasks[0]);
        register(&mut one, &tasks[0]);
        register(&mut one, &tasks[1]);
        register(&mut other, &tasks[2]);
        assert_eq!(tasks.each_ref().map(Arc::strong_count), [1, 2, 2]);
        drop(other);
        assert_eq!(tasks.each_ref().map(Arc::strong_count), [1, 2, 1]);
        set.wake();
        assert_eq!(tasks.each_ref().map(|task| task.woken()), [0, 1, 0]);
        set.wake();
        assert_eq!(tasks[1].woken(), 1, "it has not registered again");
        register(&mut one, &tasks[0]);
        drop(one);
        assert_eq!(lock(&set.0).registered.len(), 0);
    }

    /// The last waker of a task may own its future. The future may own another registration in the same set.
    #[test]
    fn wakers_are_dropped_without_the_lock() {
        struct Owner(#[expect(dead_code, reason = "it is dropped")] Registration<Arc<WakerSet>>);

        impl Wake for Owner {
            fn wake(self: Arc<Self>) {}
        }

        let set = Arc::<WakerSet>::default();
        let owner = || {
            let mut inner = Registration::new(set.clone());
            inner.register(&Context::from_waker(Waker::noop()));
            Waker::from(Arc::new(Owner(inner)))
        };
        let mut registration = Registration::new(&*set);
        registration.register(&Context::from_waker(&owner()));
        registration.register(&Context::from_waker(&owner()));
        drop(registration);
        assert_eq!(lock(&set.0).registered.len(), 0);
    }
}
