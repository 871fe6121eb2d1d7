//! References to services, as values in arguments and results (aiomas' proxies).

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::wire::{CodecContext, Types, typed};

/// A reference to a service of ours, to be sent. The receiver gets something that it can call.
///
/// It travels as the service's path, so it means something only on a connection that serves the same
/// root service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ServiceRef {
    path: String,
}

impl ServiceRef {
    /// A reference to the service at `path`: names separated by `/`, or nothing for the root service.
    #[must_use]
    pub fn new(path: impl Into<String>) -> Self {
        Self { path: path.into() }
    }

    /// The path of the service.
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

/// A reference to a service of the peer, as received.
///
/// It is only good for calls to the connection that it came over, and cannot be sent on: like aiomas,
/// it fails to serialize.
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

    /// The path of the service on its side. Empty: the root service.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The handle of the connection that it came over, see [`CodecContext::with_peer`].
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
