//! References to services, as values in arguments and results (aiomas' proxies).

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::wire::{CodecContext, Types, typed};

/// A reference to a service of this side, for sending. The receiver can call the service.
///
/// The reference travels as the path of the service, so it is valid only on a connection that serves the same root
/// service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ServiceRef {
    path: String,
}

impl ServiceRef {
    /// Creates a reference to the service at `path`.
    ///
    /// The path is names separated by `/`; an empty path is the root service.
    #[must_use]
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into() }
    }

    /// Returns the path of the service.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl Serialize for ServiceRef {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        typed::serialize(Types::PROXY, self.path(), serializer)
    }
}

/// A received reference to a service of the peer.
///
/// It is valid only for calls on the connection it arrived on. As in aiomas, it cannot be sent on: it fails to
/// serialize.
#[derive(Clone)]
pub struct RemoteRef {
    path: String,
    peer_context: Option<Arc<dyn Any + Send + Sync>>,
}

impl RemoteRef {
    #[cfg(test)]
    pub(super) const fn stranger() -> Self {
        Self { path: String::new(), peer_context: None }
    }

    /// Returns the path of the service on its side. An empty path is the root service.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the handle of the connection it arrived on; see [`CodecContext::with_peer`].
    #[must_use]
    pub fn peer_context(&self) -> Option<&Arc<dyn Any + Send + Sync>> {
        self.peer_context.as_ref()
    }
}

impl<'de> Deserialize<'de> for RemoteRef {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path: String = typed::deserialize(Types::PROXY, deserializer)?;
        let codec_context = CodecContext::current().unwrap_or_default();
        let checked = codec_context.budget().check_path(path.len());
        checked.map_err(|error| D::Error::custom(error.raise()))?;
        Ok(Self { path, peer_context: codec_context.peer_context().cloned() })
    }
}

impl Serialize for RemoteRef {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        let message = "a reference to a service of a peer cannot be sent on, only own services can; send its \
                       URL (`AgentUrl`), and let the other side connect";
        Err(S::Error::custom(message))
    }
}

impl fmt::Debug for RemoteRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteRef").field("path", &self.path).finish_non_exhaustive()
    }
}
