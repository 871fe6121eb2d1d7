//! With the feature `tracing`.

mod calls;
mod connections;
mod rate;
mod timed;

pub(in crate::driver) use calls::*;
pub(in crate::driver) use connections::*;
