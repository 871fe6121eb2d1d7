//! Containers whose agents call each other, pass on references, give up, crash and come back, on any runtime;
//! and a reference model that knows what each call may return.

mod node;
mod oracle;
mod simulation;
mod worker;

pub use node::{Node, Plan, Stress};
pub use oracle::{Kind, Oracle, Tally, Ticket};
pub use simulation::{Run, simulate, simulate_lines};
pub use worker::{Worker, WorkerProxy};
