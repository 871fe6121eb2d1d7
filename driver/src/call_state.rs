//! Where a call stands: queued, in flight or done.

use std::sync::Arc;

use super::Error;
use super::connection::{Connection, SlotKey};
use super::local_dispatch::LocalCall;
use aiomas_core::connection::CallId;
use aiomas_core::wire::Payload;

/// Where a call stands, however it is made.
///
/// It is small, since most calls are in flight as soon as they are made, and stay so until they are done.
pub(super) enum CallState {
    /// Waits for a connection, which is being opened.
    QueuedToConnect,
    /// Waits for room to be sent over a connection.
    QueuedToSend(Arc<Connection>),
    /// Sent over a connection. The answer will be in the slot.
    InFlight(Arc<Connection>, SlotKey),
    /// Runs in the same container.
    InFlightLocally(Box<LocalCall>),
    /// Ended, with its result until that is taken.
    Done(Option<Box<Result<Payload, Error>>>),
}

impl CallState {
    /// The result is taken.
    pub(super) const TAKEN: Self = Self::Done(None);

    pub(super) fn done(result: Result<Payload, Error>) -> Self {
        Self::Done(Some(Box::new(result)))
    }

    /// The call's id on the wire, while it is in flight.
    pub(super) fn id(&self) -> Option<CallId> {
        match self {
            Self::InFlight(connection, key) => connection.call_id(*key),
            _ => None,
        }
    }

    /// Cancels the call; `place` is where it is queued to be sent.
    #[inline(never)]
    pub(super) fn cancel(self, place: &mut Option<u64>) {
        match self {
            Self::InFlight(connection, key) => connection.cancel(key),
            Self::QueuedToSend(connection) => connection.cancel_send(place),
            Self::InFlightLocally(call) => call.cancel(),
            // A queue for a connection belongs to the `reconnect` module, which cancels there.
            Self::QueuedToConnect | Self::Done(_) => {}
        }
    }
}
