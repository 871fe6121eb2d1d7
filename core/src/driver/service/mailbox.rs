//! Waiting for one's turn: a [`Mailbox`] whose calls are tasks.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Waker};

use super::{Answer, Later};
use crate::agent::Mailbox;
use crate::driver::lock::lock;
use crate::rpc::Access;
use crate::wire::RemoteError;

/// What calls have to get through.
pub(super) struct Gate {
    mailbox: Arc<Mutex<Mailbox<Arc<Turn>>>>,
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

impl Gate {
    pub(super) fn new(max_waiting: u32) -> Self {
        Self { mailbox: Arc::new(Mutex::new(Mailbox::new(max_waiting))) }
    }

    /// Lets a call in, if it may start now.
    #[inline]
    pub(super) fn try_enter(&self, access: Access) -> bool {
        lock(&self.mailbox).begin(access)
    }

    /// Lets a call wait. If too many do so already, their number comes back.
    pub(super) fn wait(&self, access: Access) -> Result<Pass, usize> {
        let turn = Arc::new(Turn::default());
        let mut mailbox = lock(&self.mailbox);
        match mailbox.wait(access, turn.clone()) {
            Ok(()) => Ok(Pass { turn, access, mailbox: Arc::downgrade(&self.mailbox) }),
            Err(_) => Err(mailbox.waiting()),
        }
    }

    /// A call that was let in has ended.
    #[inline]
    pub(super) fn leave(&self, access: Access) {
        leave(&self.mailbox, access);
    }

    /// Nobody else will be let in.
    pub(super) fn desert(&self, error: &RemoteError) {
        let waiting = lock(&self.mailbox).take_queue();
        for (_, turn) in waiting {
            turn.set(State::Failed(error.clone()));
        }
    }
}

type Shared = Mutex<Mailbox<Arc<Turn>>>;

fn leave(mailbox: &Shared, access: Access) {
    let next = {
        let mut mailbox = lock(mailbox);
        mailbox.end(access);
        mailbox.next()
    };
    start(mailbox, next);
}

/// Tells a call that its turn has come; the next one is told when that one has started.
fn start(mailbox: &Shared, next: Option<(Access, Arc<Turn>)>) {
    if let Some((access, turn)) = next
        && !turn.set(State::Come)
    {
        leave(mailbox, access);
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
pub(super) struct Pass {
    turn: Arc<Turn>,
    access: Access,
    mailbox: Weak<Shared>,
}

impl Pass {
    /// Waits. The call then has been let in.
    pub(super) async fn wait(self, gate: &Gate) -> Result<Started, RemoteError> {
        let started = Started { mailbox: Some(gate.mailbox.clone()) };
        poll_fn(|cx| self.turn.poll(cx)).await?;
        // From here on it is the call's guard that lets the others in.
        *lock(&self.turn.0) = State::New;
        Ok(started)
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let before = std::mem::replace(&mut *lock(&self.turn.0), State::GivenUp);
        if let (State::Come, Some(mailbox)) = (before, self.mailbox.upgrade()) {
            leave(&mailbox, self.access);
        }
    }
}

/// A call that is about to start after having waited.
pub(super) struct Started {
    mailbox: Option<Arc<Shared>>,
}

impl Started {
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
        if let Some(mailbox) = self.mailbox.take() {
            let next = lock(&mailbox).next();
            start(&mailbox, next);
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.begin_next();
    }
}
