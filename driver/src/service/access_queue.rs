//! The fair queue of calls around a value: a [`Mailbox`] whose calls are tasks.

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

/// The queue of calls, and the value that it protects.
pub(super) struct AccessQueue<T>(Mutex<QueueState<T>>);

struct QueueState<T> {
    mailbox: Mailbox<Arc<Waiter>>,
    /// An exclusive call takes the value out; shared calls clone it.
    value: Option<Arc<T>>,
    /// A call has been granted access, and has not started yet. Meanwhile no other call starts, nor does any before the
    /// value is [open](AccessQueue::open), nor after its [last](Started::last) call was granted access.
    starting: bool,
    /// The error of calls that would wait, once the queue is closed.
    closed_with: Option<RemoteError>,
    /// The last call has started, or no call ever will.
    closed: bool,
}

/// A waiting call.
#[derive(Debug, Default)]
struct Waiter(Mutex<WaiterState>);

#[derive(Debug, Default)]
enum WaiterState {
    #[default]
    New,
    Waiting(Waker),
    /// Access is granted: the call counts as running.
    Granted,
    /// Access is refused for good.
    Failed(RemoteError),
    /// The call was cancelled, and waits no more.
    Cancelled,
}

impl<T> AccessQueue<T> {
    /// Creates a queue. A `first` call is already granted access, and must [`enter`](Self::enter); other calls wait
    /// until the queue is [opened](Self::open).
    pub(super) fn new(value: T, first: Option<Access>) -> Self {
        let (mut mailbox, value) = (Mailbox::new(), Some(Arc::new(value)));
        let starting = first.is_some_and(|access| mailbox.begin(access));
        Self(Mutex::new(QueueState { mailbox, value, starting, closed_with: None, closed: false }))
    }

    /// Opens the queue: calls may start from now on.
    pub(super) fn open(&self) {
        self.started();
    }

    /// Grants a call access, if it may start now.
    #[inline]
    pub(super) fn try_enter(&self, access: Access) -> Option<Arc<T>> {
        let mut inner = lock(&self.0);
        if !inner.starting && inner.mailbox.begin(access) { inner.take(access) } else { None }
    }

    /// Returns the value for a call with granted access.
    pub(super) fn enter(&self, access: Access) -> Option<Arc<T>> {
        lock(&self.0).take(access)
    }

    /// Queues a call from `source`; at most `most` may wait. A call without a permit, or whose permit is taken over,
    /// fails.
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

    /// Queues the last call, behind all waiting calls. A value has one, after its queue is [closed](Self::close_queue).
    /// `None`: no call will ever be granted access.
    pub(super) fn wait_last(self: &Arc<Self>, access: Access) -> Option<Acquire<T>> {
        let last = |inner: &mut QueueState<T>, waiter| {
            if inner.closed {
                return Err(());
            }
            inner.mailbox.wait(u32::MAX, 0, access, waiter).map_err(|_| ())
        };
        self.enqueue(access, last).ok()
    }

    /// Queues a call. `admit` inserts the waiter, and returns its key, and the call that it displaces.
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

    /// Ends a call, and returns the value to the queue.
    #[inline]
    pub(super) fn release(&self, access: Access, value: Option<Arc<T>>) {
        let value = match access {
            Access::Shared => {
                // A shared value is returned before an exclusive call can take it.
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

    /// Removes a call from the queue.
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

    /// Records that the granted call has started, or never will. The next call may start.
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

    /// Grants a call access.
    fn start(&self, mut next: (Access, Arc<Waiter>)) {
        // A cancelled call counts as started and ended.
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

    /// Returns the number of waiting calls.
    pub(super) fn waiting(&self) -> usize {
        lock(&self.0).mailbox.waiting()
    }

    /// Fails all waiting calls, and later ones. If the queue is not open yet, `closed` keeps it closed for ever.
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

    /// Returns whether the last call has started, or no call ever will.
    pub(super) fn is_closed(&self) -> bool {
        lock(&self.0).closed
    }
}

/// Drops the program's value with its queue: all other owners have returned it by then.
impl<T> Drop for AccessQueue<T> {
    fn drop(&mut self) {
        let inner = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        discard(inner.value.take());
    }
}

impl<T> QueueState<T> {
    /// Returns the next call to grant access.
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
    /// Sets the state. Returns whether a call still waits.
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

/// A call's position in the queue. Dropping it, before or after its grant, frees the way for the next call.
pub(super) struct Acquire<T> {
    waiter: Arc<Waiter>,
    key: QueueKey,
    access: Access,
    queue: Arc<AccessQueue<T>>,
}

impl<T> Acquire<T> {
    /// Waits for access. Returns the value, and a guard for the start of the call.
    pub(super) async fn wait(self) -> Result<(Option<Arc<T>>, Started<T>), RemoteError> {
        poll_fn(|cx| self.waiter.poll(cx)).await?;
        let value = self.queue.enter(self.access);
        // From here on, the call's guard lets the next call start.
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

/// A granted call that is about to start. Dropping the guard marks it as started.
pub(super) struct Started<T> {
    /// `None`: no other call may start any more.
    queue: Option<Arc<AccessQueue<T>>>,
}

impl<T> Started<T> {
    /// Marks the call as the last one.
    pub(super) fn last(mut self) {
        if let Some(queue) = self.queue.take() {
            lock(&queue.0).closed = true;
        }
    }

    /// Continues with `later`. The next call that may run concurrently starts once this one has started, and not
    /// before.
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

    /// On another thread, the blocking call may end before a call has started to wait.
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

    /// This also holds if a running call ends before the next one has started.
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

    /// A cancelled call holds no permit, and blocks no other call.
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

    /// Its permit passes to another call; earlier calls of its connection stay queued.
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
