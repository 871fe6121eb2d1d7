//! References to agents as values, and the connections that may carry them.

use std::ptr;
use std::sync::{Arc, Weak};

use serde::ser::Error as _;
use serde::{Serialize, Serializer};

use super::local_dispatch::LocalDispatch;
use super::peer_context::PeerContext;
use aiomas_core::agent::AgentUrl;
use aiomas_core::internal::root::url_of_path;
use aiomas_core::rpc::ServiceRef;
use aiomas_core::wire::{CodecContext, CodecError};

/// Serializes a reference to the service at `path` of `container`; `url` is that of the agent, if known.
///
/// On the wire it is the path alone, which the receiver resolves in the container of the connection. Over a connection
/// of another container the path would name that container's agent with the same id, so it is an error.
pub(super) fn serialize<S: Serializer>(
    container: &Weak<dyn LocalDispatch>,
    path: &str,
    url: Option<&AgentUrl>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let sender = CodecContext::with_current(|codec_context| {
        PeerContext::of(codec_context)?.local_dispatch()
    });
    // A `Weak` keeps the address from being reused.
    if sender.as_ref().is_some_and(|it| ptr::addr_eq(Arc::as_ptr(it), container.as_ptr())) {
        return ServiceRef::new(path).serialize(serializer);
    }
    let agent = match (url, container.upgrade()) {
        (Some(url), _) => url.to_string(),
        (None, Some(container)) => url_of_path(container.address(), path),
        (None, None) => format!("\"{path}\" of a container that has ended"),
    };
    let sender = sender.map(|sender| sender.address().to_string());
    Err(S::Error::custom(CodecError::ForeignAgent { agent, sender }.raise()))
}
