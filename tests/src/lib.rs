//! Harness of the tests, shared with the fuzz targets: peers in Rust and Python, in processes of their own,
//! clients that put them to the test, recorded conversations, and simulated ones.

pub mod connection_ops;
pub mod message;
pub mod pair;
pub mod pair_ops;
pub mod transcript;
pub mod world;
pub mod world_ops;
