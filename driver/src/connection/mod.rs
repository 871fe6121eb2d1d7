//! Limits and settings of connections, and the reasons why they end.
//!
//! Within the crate: a driven connection, shared by the task that moves its bytes and the handles that call over it.

mod alarm;
mod answers;
mod apart;
mod calls;
mod handle;
mod handler;
mod input;
mod quantum;
mod read_half;
mod send_queue;
mod serve;
mod shared;
mod silence;
mod slots;
mod table;
mod task;
mod write_half;

pub use aiomas_core::connection::{
    AdmissionStats, CallRejected, CancelCause, Close, CloseReason, Direction, Extensions,
    FailureText, LimitExceeded, Limits, LogRate, Negotiate, Progress, Stats, TimeoutReason,
    TlsError, Unpacking,
};

pub(super) use apart::RoomToReply;
pub(super) use calls::{NotSent, append};
pub(super) use handle::ConnectionRef;
pub(super) use handler::Handler;
pub(super) use shared::{Connection, ConnectionConfig};
pub(super) use slots::SlotKey;
pub(super) use table::{ConnectionTable, DisconnectHook};
pub(super) use task::ConnectionTask;
