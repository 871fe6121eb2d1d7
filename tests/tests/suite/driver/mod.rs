//! The driver, on a runtime that goes by a script.

mod agents;
mod calls;
mod cancelling;
mod flow;
mod limits;
mod rpc;
mod script;
