//! The origin of a decoded value: references to services in the value are called over it.

use std::any::Any;
use std::sync::{Arc, Weak};
use std::time::Instant;

use super::connection::Connection;
use super::host::Host;
use super::local_dispatch::LocalDispatch;
use aiomas_core::wire::{Codec, CodecContext};

/// The driver's entry in the codec contexts of its connections and containers.
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

    /// Returns a unique number of the connection or container. It is unique within the process, as long as this value
    /// exists.
    pub(super) fn id(&self) -> u64 {
        // The memory is not reused while a reference to it exists.
        let address = match self {
            Self::Connection(connection) => connection.as_ptr().cast::<()>(),
            Self::LocalDispatch(local_dispatch) => local_dispatch.as_ptr().cast::<()>(),
        };
        address.addr() as u64
    }

    /// Returns the codec of the connection.
    pub(super) fn codec(&self) -> Option<Codec> {
        match self {
            Self::Connection(connection) => Some(connection.upgrade()?.codec()),
            Self::LocalDispatch(_) => None,
        }
    }

    /// Returns the maximum number of its calls that may wait for a value.
    pub(super) fn max_mailbox(&self) -> Option<u32> {
        match self {
            Self::Connection(connection) => Some(connection.upgrade()?.max_mailbox()),
            Self::LocalDispatch(local_dispatch) => Some(local_dispatch.upgrade()?.max_mailbox()),
        }
    }

    /// Returns the current time of its host.
    pub(super) fn now(&self) -> Option<Instant> {
        Some(match self {
            Self::Connection(connection) => connection.upgrade()?.now(),
            Self::LocalDispatch(local_dispatch) => local_dispatch.upgrade()?.now(),
        })
    }

    /// Returns its host, which runs tasks.
    pub(super) fn host(&self) -> Option<Arc<dyn Host>> {
        Some(match self {
            Self::Connection(connection) => connection.upgrade()?.host(),
            Self::LocalDispatch(local_dispatch) => local_dispatch.upgrade()?.host(),
        })
    }

    /// Starts the shutdown of its container or server, if it has one.
    pub(super) fn stop(&self) -> Option<()> {
        match self {
            Self::Connection(connection) => connection.upgrade()?.endpoint()?.stop(),
            Self::LocalDispatch(local_dispatch) => local_dispatch.upgrade()?.stop(),
        }
        Some(())
    }

    /// Returns the container that received the value.
    pub(super) fn local_dispatch(&self) -> Option<Arc<dyn LocalDispatch>> {
        match self {
            Self::Connection(connection) => connection.upgrade()?.local_dispatch(),
            Self::LocalDispatch(local_dispatch) => local_dispatch.upgrade(),
        }
    }
}
