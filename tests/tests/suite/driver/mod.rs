//! The driver, on a runtime that goes by a script.

mod agents;
mod calls;
mod cancelling;
mod contained;
mod ending;
mod limits;
mod rpc;
mod script;
mod starting;
mod stopping;
mod threads;
