//! One connection, shared by the task that moves its bytes and the handles that call over it.

mod room;
mod shared;
mod slots;
mod task;
mod user;

pub(super) use shared::{Attempt, Handler, Link, LinkConfig, Unsent};
pub(super) use slots::SlotKey;
pub(super) use task::Task;
pub(super) use user::LinkUser;
