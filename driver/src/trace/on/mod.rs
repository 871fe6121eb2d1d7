//! The implementation with the feature `tracing`.

mod calls;
mod connections;
mod rate;
mod timed;

pub(crate) use calls::*;
pub(crate) use connections::*;
