//! Large requests and messages, which are dealt with apart from the connection's task; and replies that wait for room.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use super::answers::settle;
use super::shared::Connection;
use crate::contain::wake_all;
use crate::lock::lock;
use aiomas_core::connection::Request;
use aiomas_core::internal::{Packed, Unpacked};

/// A request, or a message that is to be unpacked, of more bytes is dealt with apart from the connection's task. To decode so
/// many takes a millisecond or two at most.
pub(super) const HEAVY: usize = 32 * 1024;

impl Connection {
    /// Deals with a request that may take long. Those behind it wait until its method has begun, as always.
    pub(super) fn handle_apart(self: &Arc<Self>, request: Request) {
        lock(&self.state).machine.hold_requests(true);
        let held = Held(self.clone());
        // As of a method that goes on: it counts.
        let permit = self.permit.get().and_then(Weak::upgrade);
        self.heavy.run(move || {
            let (Held(connection), _permit) = (&held, permit);
            if let Some((token, outcome)) = connection.handler.handle(connection, request)
                && let Some((token, answer)) = settle(connection, token, outcome)
            {
                // If the connection is closed, its peer waits no more.
                let _sent = connection.respond(token, &answer);
            }
        });
    }

    /// Unpacks a message that may take long.
    pub(super) fn unpack_apart(self: &Arc<Self>, packed: Packed) {
        let connection = self.clone();
        self.heavy.run(move || {
            let unpacked = unpack(packed);
            let now = connection.host.now();
            connection.command(|state| state.machine.handle_unpacked(now, unpacked));
        });
    }

    /// Wakes the next one who waits for room to reply, if there still is room.
    pub(super) fn pass_room_on(&self) {
        let next = {
            let state = &mut *lock(&self.state);
            if state.machine.has_room_for_answers() { state.replies.next() } else { None }
        };
        wake_all(next);
    }
}

/// Unpacks a message. A codec of the user's own may panic.
pub(super) fn unpack(packed: Packed) -> Unpacked {
    let codec = packed.codec();
    catch_unwind(AssertUnwindSafe(|| packed.unpack())).unwrap_or_else(|_| Unpacked::failed(codec))
}

/// A request is being dealt with. Others may be when it is dropped, also by a panic.
struct Held(Arc<Connection>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.command(|state| state.machine.hold_requests(false));
    }
}

/// Waits until there is room to reply, or the connection is closed.
pub(crate) struct RoomToReply<'a> {
    connection: &'a Connection,
    place: Option<u64>,
}

impl<'a> RoomToReply<'a> {
    pub(crate) const fn new(connection: &'a Connection) -> Self {
        Self { connection, place: None }
    }

    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> Poll<()> {
        let waited = {
            let state = &mut *lock(&self.connection.state);
            if !state.machine.has_room_for_answers() {
                state.replies.wait(&mut self.place, cx.waker());
                return Poll::Pending;
            }
            let waited = self.place.is_some();
            state.replies.release(&mut self.place);
            waited
        };
        if waited {
            self.connection.pass_room_on();
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
        if self.place.is_some() && !lock(&self.connection.state).replies.release(&mut self.place) {
            self.connection.pass_room_on();
        }
    }
}
