//! Where a value that was decoded came from: what references to services in it are called over.

use std::any::Any;
use std::sync::{Arc, Weak};
use std::time::Instant;

use super::connection::Connection;
use super::host::Host;
use super::local_dispatch::LocalDispatch;
use aiomas_core::wire::{Codec, CodecContext};

/// What a driver puts into the scopes of its connections and containers.
#[derive(Clone)]
pub(super) enum PeerContext {
    /// A connection.
    Connection(Weak<Connection>),
    /// An agent of the same container.
    LocalDispatch(Weak<dyn LocalDispatch>),
}

impl PeerContext {
    pub(super) fn of(codec_context: &CodecContext) -> Option<&Self> {
        Self::of_any(codec_context.peer_context()?)
    }

    pub(super) fn of_any(peer_context: &Arc<dyn Any + Send + Sync>) -> Option<&Self> {
        let peer_context: &(dyn Any + Send + Sync) = &**peer_context;
        peer_context.downcast_ref()
    }

    /// A number that no other connection or container of this process has, as long as this value exists.
    pub(super) fn id(&self) -> u64 {
        // The memory is not used again while there is a reference to it.
        let address = match self {
            Self::Connection(connection) => connection.as_ptr().cast::<()>(),
            Self::LocalDispatch(local_dispatch) => local_dispatch.as_ptr().cast::<()>(),
        };
        address.addr() as u64
    }

    /// The codec of the connection.
    pub(super) fn codec(&self) -> Option<Codec> {
        match self {
            Self::Connection(connection) => Some(connection.upgrade()?.codec()),
            Self::LocalDispatch(_) => None,
        }
    }

    /// How many calls may wait for a value that it calls.
    pub(super) fn max_mailbox(&self) -> Option<u32> {
        match self {
            Self::Connection(connection) => Some(connection.upgrade()?.max_mailbox()),
            Self::LocalDispatch(local_dispatch) => Some(local_dispatch.upgrade()?.max_mailbox()),
        }
    }

    /// What time it is there.
    pub(super) fn now(&self) -> Option<Instant> {
        Some(match self {
            Self::Connection(connection) => connection.upgrade()?.now(),
            Self::LocalDispatch(local_dispatch) => local_dispatch.upgrade()?.now(),
        })
    }

    /// What runs tasks there.
    pub(super) fn host(&self) -> Option<Arc<dyn Host>> {
        Some(match self {
            Self::Connection(connection) => connection.upgrade()?.host(),
            Self::LocalDispatch(local_dispatch) => local_dispatch.upgrade()?.host(),
        })
    }

    /// Begins to end the container or the server there, if it is part of one.
    pub(super) fn stop(&self) -> Option<()> {
        match self {
            Self::Connection(connection) => connection.upgrade()?.endpoint()?.stop(),
            Self::LocalDispatch(local_dispatch) => local_dispatch.upgrade()?.stop(),
        }
        Some(())
    }

    /// The container at which it arrived.
    pub(super) fn local_dispatch(&self) -> Option<Arc<dyn LocalDispatch>> {
        match self {
            Self::Connection(connection) => connection.upgrade()?.local_dispatch(),
            Self::LocalDispatch(local_dispatch) => local_dispatch.upgrade(),
        }
    }
}
