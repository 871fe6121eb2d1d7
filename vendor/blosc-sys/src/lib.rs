//! Stands in for the published `blosc-sys`, which links to a system library: the same symbols,
//! from the C sources that `blosc-src` bundles.
#![no_std]
pub use blosc_src::*;
