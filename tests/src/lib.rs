//! Harness of the tests, shared with the fuzz targets: peers in Rust and Python, in processes of their own,
//! clients that put them to the test, recorded conversations, and simulated ones.

pub mod attack;
pub mod client;
pub mod connection_ops;
pub mod fuzz;
pub mod host;
pub mod instructions;
pub mod message;
pub mod pair;
pub mod pair_ops;
pub mod peer;
#[path = "../../core/examples/poll_loop.rs"]
pub mod poll_loop;
pub mod process;
pub mod python;
pub mod runtime_suite;
pub mod runtimes;
pub mod script;
pub mod tokio_calls;
pub mod town;
pub mod transcript;
pub mod types;
pub mod world;
pub mod world_ops;
