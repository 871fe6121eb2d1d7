//! Where a value that was decoded came from: what references to services in it are called over.

use std::any::Any;
use std::sync::{Arc, Weak};

use super::container;
use super::link::Link;
use crate::wire::{Codec, Scope};

/// What a driver puts into the scopes of its connections.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// A connection.
    Link(Weak<Link>),
    /// An agent of the same container.
    Container(Weak<container::Inner>),
}

impl Origin {
    pub(super) fn of(scope: &Scope) -> Option<&Self> {
        let origin: &(dyn Any + Send + Sync) = &**scope.origin()?;
        origin.downcast_ref()
    }

    pub(super) fn of_any(origin: &Arc<dyn Any + Send + Sync>) -> Option<&Self> {
        let origin: &(dyn Any + Send + Sync) = &**origin;
        origin.downcast_ref()
    }

    /// The codec of the connection.
    pub(super) fn codec(&self) -> Option<Codec> {
        match self {
            Self::Link(link) => Some(link.upgrade()?.codec()),
            Self::Container(_) => None,
        }
    }

    /// The container at which it arrived.
    pub(super) fn container(&self) -> Option<Arc<container::Inner>> {
        match self {
            Self::Link(link) => link.upgrade()?.container(),
            Self::Container(container) => container.upgrade(),
        }
    }
}
