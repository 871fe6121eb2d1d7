//! The state of a call: queued, in flight or done.

use std::sync::Arc;

use super::Error;
use super::connection::{Connection, SlotKey};
use super::local_dispatch::LocalCall;
use aiomas_core::connection::CallId;
use aiomas_core::wire::Payload;

/// The state of a call of any kind.
///
/// It is small, because most calls are in flight as soon as they are made, and stay so until they are done.
pub(super) enum CallState {
    /// Waits for a connection, which is being dialled.
    QueuedToConnect,
    /// Waits for room on a connection.
    QueuedToSend(Arc<Connection>),
    /// Sent over a connection. The answer arrives in the slot.
    InFlight(Arc<Connection>, SlotKey),
    /// Runs in the same container.
    InFlightLocally(Box<LocalCall>),
    /// Done, with the result until it is taken.
    Done(Option<Box<Result<Payload, Error>>>),
}

impl CallState {
    /// The state after the result was taken.
    pub(super) const TAKEN: Self = Self::Done(None);

    pub(super) fn done(result: Result<Payload, Error>) -> Self {
        Self::Done(Some(Box::new(result)))
    }

    /// Returns the call's id on the wire, while it is in flight.
    pub(super) fn id(&self) -> Option<CallId> {
        match self {
            Self::InFlight(connection, key) => connection.call_id(*key),
            _ => None,
        }
    }

    /// Cancels the call; `place` is its position in the send queue.
    #[inline(never)]
    pub(super) fn cancel(self, place: &mut Option<u64>) {
        match self {
            Self::InFlight(connection, key) => connection.cancel(key),
            Self::QueuedToSend(connection) => connection.cancel_send(place),
            Self::InFlightLocally(call) => call.cancel(),
            // The `reconnect` module owns the queue for a connection, and cancels there.
            Self::QueuedToConnect | Self::Done(_) => {}
        }
    }
}
