//! Containers whose agents call each other, pass on references, give up, crash and come back, on any runtime;
//! and a reference model that knows what each call may return.

mod clerk;
mod house;
mod ledger;
mod simulation;

pub use clerk::{Clerk, ClerkProxy};
pub use house::{House, Plan, Town};
pub use ledger::{Kind, Ledger, Tally, Ticket};
pub use simulation::{Run, simulate, simulate_lines};
