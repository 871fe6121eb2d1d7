//! What a method may know about a call.

use std::fmt;
use std::sync::Arc;

use super::origin::Origin;
use super::service::{Identity, Invocation};
use super::{Clock, Container, Error, Peer, Proxy};
use crate::agent::AgentUrl;
use crate::rpc::{Caller, PeerCertificate};
use crate::wire::{Codec, Scope};

/// Who calls a method, and where. A method takes it as a parameter that is marked `#[context]`; callers
/// see nothing of that.
#[derive(Clone)]
pub struct Context {
    scope: Scope,
    caller: Caller,
    me: Option<Arc<Identity>>,
}

impl Invocation<'_> {
    /// What the method may know about who calls it.
    #[must_use]
    pub fn context(&self) -> Context {
        Context {
            scope: self.scope().clone(),
            caller: self.caller().clone(),
            me: self.me().cloned(),
        }
    }
}

impl Context {
    /// Who calls. Agents of the same container have no address, and the number `u64::MAX`.
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// The certificate by which the caller has proven who it is; `None` for agents of the same container, and
    /// where no TLS is spoken.
    #[must_use]
    pub fn certificate(&self) -> Option<&PeerCertificate> {
        self.caller.certificate.as_deref()
    }

    /// The peer that the call came from, to look at its connection, or to close it; `None` for agents of the same
    /// container.
    #[must_use]
    pub fn peer(&self) -> Option<Peer> {
        Peer::of_scope(&self.scope)
    }

    /// The root service of the one who calls, to call it back over the same connection (aiomas'
    /// `client.remote`).
    #[must_use]
    pub fn remote(&self) -> Proxy {
        Proxy::from_origin(Origin::of(&self.scope), "")
    }

    /// The codec that the caller writes, and is answered in; `None` for agents of the same container, whose
    /// calls are not written.
    #[must_use]
    pub fn codec(&self) -> Option<Codec> {
        Origin::of(&self.scope)?.codec()
    }

    pub(super) const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The agent whose method this is, as others see it: to be passed on, as `self` is with aiomas.
    ///
    /// # Errors
    /// [`Error::NoContainer`]: the service is no agent.
    pub fn agent(&self) -> Result<Proxy, Error> {
        let me = self.me.as_ref().ok_or(Error::NoContainer)?;
        Ok(Proxy::of_local(me.home.clone(), me.url.clone()))
    }

    /// The URL of the agent whose method this is; `None` in a service that is no agent.
    #[must_use]
    pub fn url(&self) -> Option<&AgentUrl> {
        self.me.as_ref().map(|me| &me.url)
    }

    /// The container of the agent whose method this is.
    ///
    /// # Errors
    /// [`Error::NoContainer`]: the service is not in a container, or that is gone.
    pub fn container(&self) -> Result<Container, Error> {
        let mine = self.me.as_ref().and_then(|me| me.home.upgrade());
        let home = mine.or_else(|| Origin::of(&self.scope)?.home());
        home.and_then(Container::from_home).ok_or(Error::NoContainer)
    }

    /// The clock of the container.
    ///
    /// # Errors
    /// As [`container`](Self::container).
    pub fn clock(&self) -> Result<Clock, Error> {
        self.container().map(|container| container.clock().clone())
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("caller", &self.caller)
            .field("url", &self.url())
            .finish_non_exhaustive()
    }
}
