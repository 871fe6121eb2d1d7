//! [aiomas](https://aiomas.readthedocs.io) in a simulation: unmodified agents in one thread, in
//! virtual time, on a network whose faults come from a seed.
//!
//! A meter and its reader, over a network that breaks:
//!
//! ```
//! use std::time::Duration;
//! use aiomas_sim::{Link, Sim, agent};
//!
//! struct Meter;
//!
//! #[agent]
//! impl Meter {
//!     #[expose]
//!     fn read(&self) -> f64 {
//!         230.0
//!     }
//! }
//!
//! let sim = Sim::builder(42).link(Link::rough()).build();
//! sim.host("house").start(|host| async move {
//!     let container = host.container().bind("tcp://house:5555").await?;
//!     container.spawn(Meter)?;
//!     std::future::pending().await
//! });
//! let (volts, attempts) = sim.block_on(async {
//!     let grid = sim.host("grid");
//!     let container = grid.container().bind("tcp://grid:5555").await.unwrap();
//!     let mut attempts = 0;
//!     loop {
//!         attempts += 1;
//!         // A broken connection is an error, and so is an agent that does not exist yet.
//!         match container.connect::<MeterProxy>("tcp://house:5555/0").await {
//!             Ok(meter) => match meter.read().await {
//!                 Ok(volts) => return (volts, attempts),
//!                 Err(error) => println!("{error}"),
//!             },
//!             Err(error) => println!("{error}"),
//!         }
//!         grid.sleep(Duration::from_secs(1)).await;
//!     }
//! });
//! println!("{volts} V at attempt {attempts}, after {:?}; {}", sim.elapsed(), sim.faults());
//! ```
//!
//! The same seed gives the same run: compare [`Sim::trace`]. [`seeds`](fn@seeds) runs a test for
//! many seeds, and reports how to repeat a failing run. For this, programs must use only the
//! simulation's time and random numbers: [`Clock`](clock::Clock) instead of `std::time`, no
//! threads, no iteration order of a `HashMap`.
//!
//! A [`SimBuilder`] and its [`Link`]s configure the faults and their times.

#![forbid(unsafe_code)]

mod builder;
mod date;
mod delay;
mod dial;
mod disturb;
mod env;
mod failing;
mod fault;
mod fault_plan;
mod freeze;
mod host;
mod link;
mod net;
mod panics;
mod rng;
mod seeds;
mod sim;
mod stall_report;
mod stream;
mod tasks;
mod timer;
mod trace;
mod world;

pub use builder::SimBuilder;
pub use delay::Delay;
pub use dial::Acceptor;
pub use disturb::UnknownHost;
pub use fault::{Counts, Fault, UnknownFault};
pub use host::{Host, Outcome};
pub use link::Link;
pub use panics::Panic;
pub use seeds::{Seeds, seeds};
pub use sim::Sim;
pub use stall_report::StallReport;
pub use stream::Stream;
pub use timer::Alarm;

aiomas::adapter!(Host);

#[cfg(feature = "tls")]
pub use aiomas::tls;
