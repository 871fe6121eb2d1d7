//! A stress model for any runtime, with a reference model of the results.
//!
//! Agents in several containers call each other, pass on references, cancel calls, crash and
//! restart.

mod node;
mod oracle;
mod simulation;
mod worker;

pub use node::{Node, Plan, Stress};
pub use oracle::{Kind, Oracle, Tally, Ticket};
pub use simulation::{Run, simulate, simulate_reconnecting};
pub use worker::{Worker, WorkerProxy};
