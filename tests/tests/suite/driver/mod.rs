//! The driver, on a runtime that goes by a script.

mod agents;
mod calls;
mod cancelling;
mod limits;
mod references;
mod rpc;
mod script;
mod sharing;
mod waiting;
