//! Addresses of listeners.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::task::Waker;

use aiomas_core::agent::Address;

use super::connection::HalfStreamId;

/// The address of a listener on a host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum BindAddr {
    Port(u16),
    Path(Arc<str>),
}

impl BindAddr {
    pub(crate) fn of(address: &Address) -> io::Result<Self> {
        match address {
            Address::Tcp { port, .. } => Ok(Self::Port(*port)),
            Address::Ipc(path) => Ok(Self::Path(path.clone())),
            _ => Err(ErrorKind::Unsupported.into()),
        }
    }
}

/// Streams not accepted yet, as the half streams that their acceptors write to.
#[derive(Debug)]
pub(super) struct Backlog {
    pub(super) serial: u64,
    pub(super) streams: VecDeque<HalfStreamId>,
    pub(super) waker: Option<Waker>,
}
