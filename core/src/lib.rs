//! The aiomas protocol as state machines over byte buffers.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod clock;
pub mod connection;
pub mod rpc;
pub mod wire;
