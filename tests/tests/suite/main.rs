//! All integration tests, in one program: linking is what takes time.

mod binding;
mod connection;
mod contract;
mod dates;
mod msgpack_oracle;
mod node;
mod transcripts;
mod values;
mod vectors;
mod world;
