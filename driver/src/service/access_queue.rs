//! Waiting for one's turn: a [`Mailbox`] whose calls are tasks.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::contain::{discard, wake};
use crate::later::{Answer, Later};
use crate::lock::lock;
use crate::waits;
use aiomas_core::agent::{Mailbox, QueueKey};
use aiomas_core::internal::overloaded;
use aiomas_core::rpc::Access;
use aiomas_core::wire::RemoteError;

/// What calls have to get through, and the value behind it.
pub(super) struct AccessQueue<T>(Mutex<QueueState<T>>);

struct QueueState<T> {
    mailbox: Mailbox<Arc<Waiter>>,
    /// Taken out by whoever has it for himself; others share it.
    value: Option<Arc<T>>,
    /// A call has been told that its turn has come, and has not started yet. Until then no other one starts; nor
    /// does any while the value is not [open](AccessQueue::open) yet, or when its [last](Started::last) call has come.
    starting: bool,
    /// Why no call waits any more.
    closed_with: Option<RemoteError>,
    /// The last call has started, or no call ever will.
    closed: bool,
}

/// The turn of a call that waits.
#[derive(Debug, Default)]
struct Waiter(Mutex<WaiterState>);

#[derive(Debug, Default)]
enum WaiterState {
    #[default]
    New,
    Waiting(Waker),
    /// It has come: the call counts as running.
    Granted,
    /// It will never come.
    Failed(RemoteError),
    /// Nobody waits for it any more.
    Cancelled,
}

impl<T> AccessQueue<T> {
    /// If there is a `first` call, it has been let in, and is to [`enter`](Self::enter); others wait until the gate is
    /// [opened](Self::open).
    pub(super) fn new(value: T, first: Option<Access>) -> Self {
        let (mut mailbox, value) = (Mailbox::new(), Some(Arc::new(value)));
        let starting = first.is_some_and(|access| mailbox.begin(access));
        Self(Mutex::new(QueueState { mailbox, value, starting, closed_with: None, closed: false }))
    }

    /// From here on calls are let in.
    pub(super) fn open(&self) {
        self.started();
    }

    /// Lets a call in, if it may start now.
    #[inline]
    pub(super) fn try_enter(&self, access: Access) -> Option<Arc<T>> {
        let mut inner = lock(&self.0);
        if !inner.starting && inner.mailbox.begin(access) { inner.take(access) } else { None }
    }

    /// The value for a call whose turn has come.
    pub(super) fn enter(&self, access: Access) -> Option<Arc<T>> {
        lock(&self.0).take(access)
    }

    /// Lets a call from `source` wait, of which `most` may do so. A call that has no place, or whose place it takes, fails.
    pub(super) fn wait(
        self: &Arc<Self>,
        most: u32,
        source: u64,
        access: Access,
    ) -> Result<Acquire<T>, RemoteError> {
        self.enqueue(access, |inner, waiter| match &inner.closed_with {
            Some(error) => Err(error.clone()),
            None => {
                let waits = inner.mailbox.wait(most, source, access, waiter);
                waits.map_err(|_| overloaded(inner.mailbox.waiting()))
            }
        })
    }

    /// Lets the last call wait, after all that wait already. There is one, to a value that is
    /// [deserted](Self::close_queue). `None`: no call will ever be let in.
    pub(super) fn wait_last(self: &Arc<Self>, access: Access) -> Option<Acquire<T>> {
        let last = |inner: &mut QueueState<T>, waiter| {
            if inner.closed {
                return Err(());
            }
            inner.mailbox.wait(u32::MAX, 0, access, waiter).map_err(|_| ())
        };
        self.enqueue(access, last).ok()
    }

    /// `admit` puts the turn of a call into the queue, and returns its place, and the call whose place it takes.
    fn enqueue<E>(
        self: &Arc<Self>,
        access: Access,
        admit: impl FnOnce(
            &mut QueueState<T>,
            Arc<Waiter>,
        ) -> Result<(QueueKey, Option<Arc<Waiter>>), E>,
    ) -> Result<Acquire<T>, E> {
        let waiter = Arc::<Waiter>::default();
        let (key, displaced, next) = {
            let mut inner = lock(&self.0);
            let (key, displaced) = admit(&mut inner, waiter.clone())?;
            let displaced = displaced.map(|waiter| (waiter, inner.mailbox.waiting()));
            // The call in front may have ended since, and then no other would start this one.
            (key, displaced, inner.next())
        };
        if let Some((displaced, waiting)) = displaced {
            displaced.set(WaiterState::Failed(overloaded(waiting)));
        }
        if let Some(next) = next {
            self.start(next);
        }
        Ok(Acquire { waiter, key, access, queue: self.clone() })
    }

    /// A call that was let in has ended, and gives the value back.
    #[inline]
    pub(super) fn release(&self, access: Access, value: Option<Arc<T>>) {
        let value = match access {
            Access::Shared => {
                // What was shared is given back before anybody can have it for himself.
                drop(value);
                None
            }
            Access::Exclusive => value,
        };
        let next = {
            let mut inner = lock(&self.0);
            if value.is_some() {
                inner.value = value;
            }
            inner.mailbox.end(access);
            inner.next()
        };
        if let Some(next) = next {
            self.start(next);
        }
    }

    /// A call does not wait any more.
    fn cancel(&self, key: QueueKey) {
        let (withdrawn, next) = {
            let mut inner = lock(&self.0);
            (inner.mailbox.cancel(key), inner.next())
        };
        drop(withdrawn);
        if let Some(next) = next {
            self.start(next);
        }
    }

    /// The call whose turn has come has started, or will not: the next one may.
    fn started(&self) {
        let next = {
            let mut inner = lock(&self.0);
            inner.starting = false;
            inner.next()
        };
        if let Some(next) = next {
            self.start(next);
        }
    }

    /// Tells a call that its turn has come.
    fn start(&self, mut next: (Access, Arc<Waiter>)) {
        // Nobody may wait for it any more: then it is as if it had come and gone.
        while !next.1.set(WaiterState::Granted) {
            let following = {
                let mut inner = lock(&self.0);
                inner.starting = false;
                inner.mailbox.end(next.0);
                inner.next()
            };
            match following {
                Some(following) => next = following,
                None => return,
            }
        }
    }

    /// How many calls wait.
    pub(super) fn waiting(&self) -> usize {
        lock(&self.0).mailbox.waiting()
    }

    /// No call waits any more; those that do, fail. If the gate is not open yet, it never will be when it is `closed`.
    pub(super) fn close_queue(&self, error: &RemoteError, closed: bool) {
        let waiting = {
            let mut inner = lock(&self.0);
            inner.closed_with = Some(error.clone());
            inner.closed |= closed;
            inner.mailbox.take_queue()
        };
        for (_, waiter) in waiting {
            waiter.set(WaiterState::Failed(error.clone()));
        }
    }

    /// Whether the last call has started, or no call ever will.
    pub(super) fn is_closed(&self) -> bool {
        lock(&self.0).closed
    }
}

/// The value is the program's, and goes with its gate: all others that have it return it before.
impl<T> Drop for AccessQueue<T> {
    fn drop(&mut self) {
        let inner = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        discard(inner.value.take());
    }
}

impl<T> QueueState<T> {
    /// The call whose turn has come.
    fn next(&mut self) -> Option<(Access, Arc<Waiter>)> {
        if self.starting {
            return None;
        }
        let next = self.mailbox.next();
        self.starting = next.is_some();
        next
    }

    fn take(&mut self, access: Access) -> Option<Arc<T>> {
        match access {
            Access::Shared => self.value.clone(),
            Access::Exclusive => self.value.take(),
        }
    }
}

impl Waiter {
    /// Says whether anybody waits.
    fn set(&self, state: WaiterState) -> bool {
        let before = {
            let mut current = lock(&self.0);
            match *current {
                WaiterState::Cancelled => return false,
                _ => std::mem::replace(&mut *current, state),
            }
        };
        if let WaiterState::Waiting(waker) = before {
            wake(waker);
        }
        true
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<Result<(), RemoteError>> {
        let mut state = lock(&self.0);
        match &*state {
            WaiterState::Granted => Poll::Ready(Ok(())),
            WaiterState::Failed(error) => Poll::Ready(Err(error.clone())),
            WaiterState::New | WaiterState::Waiting(_) | WaiterState::Cancelled => {
                *state = WaiterState::Waiting(cx.waker().clone());
                waits::note(|| "for its turn at an agent that is busy".to_owned());
                Poll::Pending
            }
        }
    }
}

/// A call's place in the queue. Whether or not its turn has come when it is dropped, the others go on.
pub(super) struct Acquire<T> {
    waiter: Arc<Waiter>,
    key: QueueKey,
    access: Access,
    queue: Arc<AccessQueue<T>>,
}

impl<T> Acquire<T> {
    /// Waits. The call then has been let in, with the value.
    pub(super) async fn wait(self) -> Result<(Option<Arc<T>>, Started<T>), RemoteError> {
        poll_fn(|cx| self.waiter.poll(cx)).await?;
        let value = self.queue.enter(self.access);
        // From here on it is the call's guard that lets the others in.
        *lock(&self.waiter.0) = WaiterState::Cancelled;
        Ok((value, Started { queue: Some(self.queue.clone()) }))
    }
}

impl<T> Drop for Acquire<T> {
    fn drop(&mut self) {
        let before = std::mem::replace(&mut *lock(&self.waiter.0), WaiterState::Cancelled);
        match before {
            WaiterState::Granted => {
                self.queue.release(self.access, None);
                self.queue.started();
            }
            WaiterState::New | WaiterState::Waiting(_) => self.queue.cancel(self.key),
            WaiterState::Failed(_) | WaiterState::Cancelled => {}
        }
    }
}

/// A call that is about to start after having waited. When this is dropped, it has.
pub(super) struct Started<T> {
    /// `None`: no other call may start any more.
    queue: Option<Arc<AccessQueue<T>>>,
}

impl<T> Started<T> {
    /// The call is the last one.
    pub(super) fn last(mut self) {
        if let Some(queue) = self.queue.take() {
            lock(&queue.0).closed = true;
        }
    }

    /// Goes on with `later`. The next call that may run beside it starts as soon as it has, and not before.
    pub(super) async fn then(self, mut later: Later) -> Answer {
        let mut starting = Some(self);
        poll_fn(move |cx| {
            let polled = later.as_mut().poll(cx);
            drop(starting.take());
            polled
        })
        .await
    }
}

impl<T> Drop for Started<T> {
    fn drop(&mut self) {
        if let Some(queue) = &self.queue {
            queue.started();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    fn come<T>(acquire: &Acquire<T>) -> bool {
        acquire.waiter.poll(&Context::from_waker(Waker::noop())).is_ready()
    }

    /// On another thread, whoever was in the way may leave before a call has begun to wait.
    #[test]
    fn a_call_that_waits_for_nobody_is_let_in() {
        for access in [Access::Shared, Access::Exclusive] {
            let queue = Arc::new(AccessQueue::new((), None));
            let alone = queue.try_enter(Access::Exclusive);
            assert!(alone.is_some() && queue.try_enter(access).is_none());
            queue.release(Access::Exclusive, alone);
            assert!(come(&queue.wait(8, 1, access).unwrap()));
        }
    }

    /// Also if one that runs ends before the next one has started.
    #[test]
    fn no_call_starts_before_those_in_front_of_it() {
        let queue = Arc::new(AccessQueue::new((), None));
        let alone = queue.try_enter(Access::Exclusive);
        assert!(alone.is_some());
        let [x, y, z] = [(); 3].map(|()| queue.wait(8, 1, Access::Shared).unwrap());
        queue.release(Access::Exclusive, alone);
        assert!(come(&x) && !come(&y));
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(Ok((value, started))) = pin!(x.wait()).poll(&mut cx) else { panic!() };
        assert!(!come(&y), "x has not started");
        drop(started);
        assert!(come(&y) && !come(&z));
        queue.release(Access::Shared, value);
        assert!(!come(&z), "y has not started");
        assert!(queue.try_enter(Access::Shared).is_none());
        drop(y);
        assert!(come(&z), "y never will");
    }

    /// It takes no place, and is in nobody's way.
    #[test]
    fn those_who_give_up_leave_the_queue() {
        let queue = Arc::new(AccessQueue::new((), None));
        let shared = queue.try_enter(Access::Shared);
        let acquires =
            [Access::Exclusive, Access::Shared].map(|access| queue.wait(2, 1, access).unwrap());
        let error = queue.wait(2, 1, Access::Shared).err().expect("it is full");
        assert!(error.message().starts_with("2 calls wait"), "{error}");
        let [exclusive, waiting] = acquires;
        assert!(!come(&exclusive) && !come(&waiting));
        drop(exclusive);
        assert!(come(&waiting), "beside the one that runs");
        drop(waiting);
        for _ in 0..100 {
            drop(queue.wait(2, 1, Access::Exclusive).unwrap());
        }
        queue.release(Access::Shared, shared);
        assert!(queue.try_enter(Access::Exclusive).is_some());
    }

    #[test]
    fn those_who_give_up_are_passed_over() {
        let queue = Arc::new(AccessQueue::new((), None));
        let alone = queue.try_enter(Access::Exclusive);
        let acquires = [(); 4].map(|()| queue.wait(8, 1, Access::Exclusive).unwrap());
        let [a, b, c, d] = acquires;
        drop((a, b));
        queue.release(Access::Exclusive, alone);
        assert!(come(&c));
        drop(c);
        assert!(come(&d));
        drop(d);
        assert!(queue.try_enter(Access::Exclusive).is_some());
    }

    /// Its place is another call's; those of its own connection in front of it are still there.
    #[test]
    fn a_call_whose_place_is_taken_fails() {
        let queue = Arc::new(AccessQueue::new((), None));
        let alone = queue.try_enter(Access::Exclusive);
        let [first, _second, third] =
            [(); 3].map(|()| queue.wait(3, 1, Access::Exclusive).unwrap());
        assert!(!come(&third));
        let other = queue.wait(3, 2, Access::Exclusive).unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(Err(error)) = pin!(third.wait()).poll(&mut cx) else { panic!() };
        assert_eq!(error.kind(), "OverloadedError");
        assert_eq!(queue.waiting(), 3);
        queue.release(Access::Exclusive, alone);
        assert!(come(&first) && !come(&other));
        drop(first);
        assert!(come(&other), "it is the turn of the other connection");
    }
}
