//! One connection, shared by the task that moves its bytes and the handles that call over it.

mod answers;
mod apart;
mod attempt;
mod input;
mod quantum;
mod room;
mod serve;
mod shared;
mod silence;
mod slots;
mod task;
mod user;

pub(super) use apart::RoomToReply;
pub(super) use attempt::{Attempt, Unsent, append};
pub(super) use shared::{Handler, Link, LinkConfig};
pub(super) use slots::SlotKey;
pub(super) use task::Task;
pub(super) use user::LinkUser;
