//! The Blosc codec of the core against the C library: the same cases for both, in both directions.

pub mod c;
pub mod case;
pub mod data;
pub mod oracle;
