//! Harness of the tests, shared with the fuzz targets: peers in Rust and Python, in processes of their own,
//! clients that put them to the test, recorded conversations, and simulated ones.

#[cfg(feature = "runtimes")]
pub mod client;
pub mod connection_ops;
pub mod container_ops;
pub mod driver_script;
pub mod fuzz;
#[cfg(feature = "runtimes")]
pub mod host;
#[cfg(feature = "runtimes")]
pub mod instructions;
pub mod message;
pub mod pair;
pub mod pair_ops;
#[cfg(feature = "runtimes")]
pub mod peer;
#[cfg(feature = "runtimes")]
#[path = "../../core/examples/poll_loop.rs"]
pub mod poll_loop;
pub mod process;
pub mod python;
#[cfg(feature = "runtimes")]
pub mod runtime_suite;
#[cfg(feature = "runtimes")]
pub mod runtimes;
pub mod script;
#[cfg(feature = "runtimes")]
pub mod tokio_calls;
#[cfg(feature = "runtimes")]
pub mod town;
pub mod transcript;
#[cfg(feature = "runtimes")]
pub mod types;
#[cfg(feature = "runtimes")]
pub mod workers;
pub mod world;
