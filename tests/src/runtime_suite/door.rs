//! A barrier for handlers, so that tests know where they wait.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use aiomas::service;

/// A barrier that is closed until a test opens it.
#[derive(Clone, Default)]
pub(super) struct Door(Arc<Mutex<(bool, Vec<Waker>)>>);

impl Door {
    pub(super) fn open(&self) {
        let wakers = {
            let mut state = self.0.lock().expect("no panic under the lock");
            state.0 = true;
            std::mem::take(&mut state.1)
        };
        wakers.into_iter().for_each(Waker::wake);
    }

    pub(super) async fn pass(&self) {
        poll_fn(|cx| {
            let mut state = self.0.lock().expect("no panic under the lock");
            if state.0 {
                return Poll::Ready(());
            }
            state.1.push(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }
}

/// A service whose method reports its start, and waits until it is released.
#[derive(Clone, Default)]
pub(super) struct Gate {
    pub(super) entered: Door,
    pub(super) door: Door,
}

#[service]
impl Gate {
    #[expose]
    async fn pass(&self) -> u32 {
        self.entered.open();
        self.door.pass().await;
        42
    }
}
