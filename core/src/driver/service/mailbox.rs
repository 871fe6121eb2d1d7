//! Waiting for one's turn: a [`Mailbox`] whose calls are tasks.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use crate::agent::Mailbox;
use crate::driver::later::{Answer, Later};
use crate::driver::lock::lock;
use crate::rpc::Access;
use crate::wire::RemoteError;

/// What calls have to get through, and the value behind it.
pub(super) struct Gate<T>(Mutex<Inner<T>>);

struct Inner<T> {
    mailbox: Mailbox<Arc<Turn>>,
    /// Taken out by whoever has it for himself; others share it.
    value: Option<Arc<T>>,
}

/// The turn of a call that waits.
#[derive(Debug, Default)]
struct Turn(Mutex<State>);

#[derive(Debug, Default)]
enum State {
    #[default]
    New,
    Waiting(Waker),
    /// It has come: the call counts as running.
    Come,
    /// It will never come.
    Failed(RemoteError),
    /// Nobody waits for it any more.
    GivenUp,
}

impl<T> Gate<T> {
    pub(super) fn new(value: T, max_waiting: u32) -> Self {
        let (mailbox, value) = (Mailbox::new(max_waiting), Some(Arc::new(value)));
        Self(Mutex::new(Inner { mailbox, value }))
    }

    /// Lets a call in, if it may start now.
    #[inline]
    pub(super) fn try_enter(&self, access: Access) -> Option<Arc<T>> {
        let mut inner = lock(&self.0);
        if inner.mailbox.begin(access) { inner.take(access) } else { None }
    }

    /// The value for a call whose turn has come.
    fn enter(&self, access: Access) -> Option<Arc<T>> {
        lock(&self.0).take(access)
    }

    /// Lets a call wait. If too many do so already, their number comes back.
    pub(super) fn wait(self: &Arc<Self>, access: Access) -> Result<Pass<T>, usize> {
        let turn = Arc::new(Turn::default());
        let mut inner = lock(&self.0);
        match inner.mailbox.wait(access, turn.clone()) {
            Ok(()) => Ok(Pass { turn, access, gate: self.clone() }),
            Err(_) => Err(inner.mailbox.waiting()),
        }
    }

    /// A call that was let in has ended, and gives the value back.
    #[inline]
    pub(super) fn leave(&self, access: Access, value: Option<Arc<T>>) {
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
            inner.mailbox.next()
        };
        self.start(next);
    }

    /// Tells a call that its turn has come; the next one is told when that one has started.
    fn start(&self, next: Option<(Access, Arc<Turn>)>) {
        if let Some((access, turn)) = next
            && !turn.set(State::Come)
        {
            // Nobody waits for it any more, so it has not taken the value.
            self.leave(access, None);
        }
    }

    /// Nobody else will be let in.
    pub(super) fn desert(&self, error: &RemoteError) {
        let waiting = lock(&self.0).mailbox.take_queue();
        for (_, turn) in waiting {
            turn.set(State::Failed(error.clone()));
        }
    }
}

impl<T> Inner<T> {
    fn take(&mut self, access: Access) -> Option<Arc<T>> {
        match access {
            Access::Shared => self.value.clone(),
            Access::Exclusive => self.value.take(),
        }
    }
}

impl Turn {
    /// Says whether anybody waits.
    fn set(&self, state: State) -> bool {
        let before = {
            let mut current = lock(&self.0);
            match *current {
                State::GivenUp => return false,
                _ => std::mem::replace(&mut *current, state),
            }
        };
        if let State::Waiting(waker) = before {
            waker.wake();
        }
        true
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<Result<(), RemoteError>> {
        let mut state = lock(&self.0);
        match &*state {
            State::Come => Poll::Ready(Ok(())),
            State::Failed(error) => Poll::Ready(Err(error.clone())),
            State::New | State::Waiting(_) | State::GivenUp => {
                *state = State::Waiting(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// A call's place in the queue. Whether or not its turn has come when it is dropped, the others go on.
pub(super) struct Pass<T> {
    turn: Arc<Turn>,
    access: Access,
    gate: Arc<Gate<T>>,
}

impl<T> Pass<T> {
    /// Waits. The call then has been let in, with the value.
    pub(super) async fn wait(self) -> Result<(Option<Arc<T>>, Started<T>), RemoteError> {
        poll_fn(|cx| self.turn.poll(cx)).await?;
        let value = self.gate.enter(self.access);
        // From here on it is the call's guard that lets the others in.
        *lock(&self.turn.0) = State::New;
        Ok((value, Started { gate: Some(self.gate.clone()) }))
    }
}

impl<T> Drop for Pass<T> {
    fn drop(&mut self) {
        let before = std::mem::replace(&mut *lock(&self.turn.0), State::GivenUp);
        if let State::Come = before {
            self.gate.leave(self.access, None);
        }
    }
}

/// A call that is about to start after having waited.
pub(super) struct Started<T> {
    gate: Option<Arc<Gate<T>>>,
}

impl<T> Started<T> {
    /// Goes on with `later`. The next call that may run beside it is started as soon as it has.
    pub(super) async fn then(mut self, mut later: Later) -> Answer {
        poll_fn(move |cx| {
            let polled = later.as_mut().poll(cx);
            self.begin_next();
            polled
        })
        .await
    }

    fn begin_next(&mut self) {
        if let Some(gate) = self.gate.take() {
            let next = lock(&gate.0).mailbox.next();
            gate.start(next);
        }
    }
}

impl<T> Drop for Started<T> {
    fn drop(&mut self) {
        self.begin_next();
    }
}
