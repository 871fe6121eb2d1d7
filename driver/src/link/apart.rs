//! Large requests and messages, which are dealt with apart from the link's task; and replies that wait for room.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};

use super::shared::Link;
use crate::lock::lock;
use aiomas_core::connection::Request;
use aiomas_core::internal::{Packed, Unpacked};

/// A request, or a message that is to be unpacked, of more bytes is dealt with apart from the link's task. To decode so
/// many takes a millisecond or two at most.
pub(super) const HEAVY: usize = 32 * 1024;

impl Link {
    /// Deals with a request that may take long. Those behind it wait until its method has begun, as always.
    pub(super) fn handle_apart(self: &Arc<Self>, request: Request) {
        lock(&self.state).connection.hold_requests(true);
        let held = Held(self.clone());
        // As of a method that goes on: it counts.
        let place = self.place.get().and_then(Weak::upgrade);
        self.heavy.run(move || {
            let (Held(link), _place) = (&held, place);
            if let Some((token, answer)) = link.handler.handle(link, request) {
                // If the connection is gone, so is the one who waits.
                let _sent = link.respond(token, &answer);
            }
        });
    }

    /// Unpacks a message that may take long.
    pub(super) fn unpack_apart(self: &Arc<Self>, packed: Packed) {
        let link = self.clone();
        self.heavy.run(move || {
            let unpacked = unpack(packed);
            let now = link.host.now();
            link.command(|state| state.connection.handle_unpacked(now, unpacked));
        });
    }

    /// Wakes the next one who waits for room to reply, if there still is room.
    pub(super) fn pass_room_on(&self) {
        let next = {
            let state = &mut *lock(&self.state);
            if state.connection.has_room_for_answers() { state.replies.next() } else { None }
        };
        next.into_iter().for_each(Waker::wake);
    }
}

/// Unpacks a message. A codec of the user's own may panic.
pub(super) fn unpack(packed: Packed) -> Unpacked {
    let codec = packed.codec();
    catch_unwind(AssertUnwindSafe(|| packed.unpack())).unwrap_or_else(|_| Unpacked::failed(codec))
}

/// A request is being dealt with. Others may be when it is dropped, also by a panic.
struct Held(Arc<Link>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.command(|state| state.connection.hold_requests(false));
    }
}

/// Waits until there is room to reply, or nobody to reply to.
pub(crate) struct RoomToReply<'a> {
    link: &'a Link,
    place: Option<u64>,
}

impl<'a> RoomToReply<'a> {
    pub(crate) const fn new(link: &'a Link) -> Self {
        Self { link, place: None }
    }

    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        let waited = {
            let state = &mut *lock(&self.link.state);
            if !state.connection.has_room_for_answers() {
                state.replies.wait(&mut self.place, cx.waker());
                return Poll::Pending;
            }
            let waited = self.place.is_some();
            state.replies.leave(&mut self.place);
            waited
        };
        if waited {
            self.link.pass_room_on();
        }
        Poll::Ready(())
    }

    pub(crate) async fn wait(mut self) {
        poll_fn(|cx| self.poll(cx)).await;
    }
}

impl Drop for RoomToReply<'_> {
    fn drop(&mut self) {
        // If its turn had come, another one has it.
        if self.place.is_some() && !lock(&self.link.state).replies.leave(&mut self.place) {
            self.link.pass_room_on();
        }
    }
}
