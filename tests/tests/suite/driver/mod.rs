//! The driver, on the scripted runtime.

mod agents;
mod calls;
mod cancelling;
mod contained;
mod deferring;
mod ending;
mod flow;
mod limits;
mod references;
mod rpc;
mod script;
mod sharing;
mod starting;
mod stopping;
mod threads;
mod waiting;
