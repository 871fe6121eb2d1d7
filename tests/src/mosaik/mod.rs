//! Simulators of mosaik, and simulations that mosaik runs with them.

#[cfg(feature = "runtimes")]
#[path = "../../../mosaik/examples/counter.rs"]
#[expect(dead_code, reason = "its `main` is the example's")]
pub mod counter;
mod flawed;
mod raw;
#[cfg(feature = "runtimes")]
mod world;

pub use flawed::{Flaw, Flawed};
pub use raw::{RawMosaik, RawPeer};
#[cfg(feature = "runtimes")]
pub use world::{world, world_of};
