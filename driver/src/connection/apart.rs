//! Large requests and messages, handled apart from the connection's task; and replies that wait for room.

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

/// The size above which content is handled apart from the connection's task: a request, or a packed message. Decoding
/// this many bytes takes a millisecond or two at most.
pub(super) const HEAVY: usize = 32 * 1024;

impl Connection {
    /// Handles a request that may take long. Later requests wait until its method has started, as always.
    pub(super) fn handle_apart(self: &Arc<Self>, request: Request) {
        lock(&self.state).machine.hold_requests(true);
        let held = Held(self.clone());
        // The work counts like a running method.
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

    /// Wakes the next task that waits for room to reply, if room is left.
    pub(super) fn pass_room_on(&self) {
        let next = {
            let state = &mut *lock(&self.state);
            if state.machine.has_room_for_answers() { state.replies.next() } else { None }
        };
        wake_all(next);
    }
}

/// Unpacks a message. The user's codec may panic.
pub(super) fn unpack(packed: Packed) -> Unpacked {
    let codec = packed.codec();
    catch_unwind(AssertUnwindSafe(|| packed.unpack())).unwrap_or_else(|_| Unpacked::failed(codec))
}

/// Holds further requests back. Dropping it, also by a panic, releases them.
struct Held(Arc<Connection>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.command(|state| state.machine.hold_requests(false));
    }
}

/// Waits for room to reply, or for the end of the connection.
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
        // If its turn had come, the turn passes to the next task.
        if self.place.is_some() && !lock(&self.connection.state).replies.release(&mut self.place) {
            self.connection.pass_room_on();
        }
    }
}
