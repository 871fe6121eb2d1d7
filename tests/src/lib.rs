//! The test harness, shared with the fuzz targets.
//!
//! It contains peers in Rust and Python, in processes of their own, clients that test them, and
//! recorded and simulated conversations.

#[cfg(feature = "runtimes")]
pub mod attack;
pub mod certificates;
#[cfg(feature = "runtimes")]
pub mod client;
#[cfg(feature = "runtimes")]
pub mod codecs;
pub mod connection_ops;
pub mod container_ops;
pub mod driver_script;
pub mod fuzz;
#[cfg(feature = "runtimes")]
pub mod host;
pub mod message;
pub mod mosaik;
pub mod pair;
pub mod pair_ops;
#[cfg(feature = "runtimes")]
pub mod peer;
#[cfg(feature = "runtimes")]
#[path = "../../core/examples/poll_loop.rs"]
pub mod poll_loop;
pub mod process;
pub mod python;
pub mod raw;
#[cfg(feature = "runtimes")]
pub mod runtime_suite;
#[cfg(feature = "runtimes")]
pub mod runtimes;
pub mod scripted_runtime;
#[cfg(feature = "runtimes")]
pub mod stress;
#[cfg(feature = "runtimes")]
pub mod tls_files;
pub mod transcript;
#[cfg(feature = "runtimes")]
pub mod types;
#[cfg(feature = "runtimes")]
pub mod workers;
pub mod world;
