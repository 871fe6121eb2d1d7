//! A driver of simulators in Rust or Python.
//!
//! The program starts a simulator, or connects to a listening one.
//!
//! ```no_run
//! use std::collections::BTreeMap;
//! use std::process::Command;
//!
//! use aiomas_mosaik::{Error, Inputs, Outputs, proxy};
//! use aiomas_tokio::channel;
//!
//! # async fn example() -> Result<(), Error> {
//! let command = |address: &str| {
//!     let mut command = Command::new("python3");
//!     command.args(["simulator.py", address]);
//!     command
//! };
//! let connected = proxy::start(channel::builder(), command).await?;
//! let mut simulator = connected.init("Sim-0", 1.0, &(), ()).await?;
//! let counter = simulator.create(1, "Counter", &BTreeMap::from([("start", 5)])).await?.remove(0);
//! simulator.setup_done().await?;
//! let mut time = 0;
//! while time < 10 {
//!     let inputs = Inputs::from_iter([(&counter.eid, "delta", "Scenario.me", 3)]);
//!     let next = simulator.step(time, &inputs, 10).await?;
//!     let data = simulator.get_data(&Outputs::from_iter([(&counter.eid, "value")])).await?;
//!     println!("{time}: {:?}", data.get(&counter.eid, "value"));
//!     time = next.unwrap_or(10);
//! }
//! simulator.stop().await?;
//! # Ok(())
//! # }
//! ```

mod callbacks;
mod process;
mod simulator;
mod start;
mod world;

pub use simulator::SimulatorProxy;
pub use start::{Connected, Starter, connect, start};
pub use world::World;
