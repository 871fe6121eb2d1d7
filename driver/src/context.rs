//! What a method may know about a call.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::clock::Clock;
use super::contain::alone;
use super::peer_context::PeerContext;
use super::service::{AgentHandle, Invocation};
use super::{Container, Error, Peer, Proxy};
use aiomas_core::agent::AgentUrl;
use aiomas_core::rpc::{Caller, PeerCertificate};
use aiomas_core::wire::{Codec, CodecContext};

/// Who calls a method, and where. A method takes it as a parameter that is marked `#[context]`; callers
/// see nothing of that.
#[derive(Clone)]
pub struct Context {
    codec_context: CodecContext,
    caller: Caller,
    me: Option<Arc<AgentHandle>>,
}

impl Invocation<'_> {
    /// What the method may know about who calls it.
    #[must_use]
    pub fn context(&self) -> Context {
        Context {
            codec_context: self.codec_context().clone(),
            caller: self.caller().clone(),
            me: self.me().cloned(),
        }
    }
}

impl Context {
    /// Who calls. Agents of the same container have no address, and the id [`CallerId::Local`](aiomas_core::rpc::CallerId::Local).
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// When the caller waits no longer for this call, if it has said so: see [`time_left`](Self::time_left).
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.caller.deadline
    }

    /// How long the caller still waits; `None` if it has not said. When there is no time left, the method is
    /// dropped where it waits next.
    ///
    /// A caller says so if its call has a timeout, and both sides have agreed on that in Hello (see
    /// [`Extensions`](aiomas_core::connection::Extensions)); within a container, whenever it has a timeout. Calls that the
    /// method makes have the timeouts that it gives them, and no others:
    ///
    /// ```
    /// # use aiomas::{Context, Error, Proxy};
    /// async fn ask(context: &Context, other: &Proxy) -> Result<i64, Error> {
    ///     let other = match context.time_left() {
    ///         Some(left) => other.with_timeout(left),
    ///         None => other.clone(),
    ///     };
    ///     other.call("ask").send().await
    /// }
    /// ```
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        let deadline = self.deadline()?;
        // If the connection is gone, nobody waits at all.
        let now = PeerContext::of(&self.codec_context).and_then(PeerContext::now);
        Some(now.map_or(Duration::ZERO, |now| deadline.saturating_duration_since(now)))
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
        Peer::of_codec_context(&self.codec_context)
    }

    /// The root service of the one who calls, to call it back over the same connection (aiomas'
    /// `client.remote`).
    #[must_use]
    pub fn remote(&self) -> Proxy {
        Proxy::from_peer_context(PeerContext::of(&self.codec_context), "")
    }

    /// The root service of the one who calls, as a typed proxy.
    #[must_use]
    pub fn remote_as<P: From<Proxy>>(&self) -> P {
        self.remote().into()
    }

    /// The codec that the caller writes, and is answered in; `None` for agents of the same container, whose
    /// calls are not written.
    #[must_use]
    pub fn codec(&self) -> Option<Codec> {
        PeerContext::of(&self.codec_context)?.codec()
    }

    pub(super) const fn codec_context(&self) -> &CodecContext {
        &self.codec_context
    }

    /// The agent whose method this is, as others see it: to be passed on, as `self` is with aiomas.
    ///
    /// # Errors
    /// [`Error::NoContainer`]: the service is no agent.
    pub fn agent(&self) -> Result<Proxy, Error> {
        let me = self.me.as_ref().ok_or(Error::NoContainer)?;
        let url = me.url().ok_or(Error::NoContainer)?.clone();
        Ok(Proxy::of_local(me.local_dispatch.clone(), url))
    }

    /// The URL of the agent whose method this is; `None` in a service that is no agent.
    #[must_use]
    pub fn url(&self) -> Option<&AgentUrl> {
        self.me.as_ref().and_then(|me| me.url())
    }

    /// The container of the agent whose method this is.
    ///
    /// # Errors
    /// [`Error::NoContainer`]: the service is not in a container, or that is gone.
    pub fn container(&self) -> Result<Container, Error> {
        let mine = self.me.as_ref().and_then(|me| me.local_dispatch.upgrade());
        let local_dispatch =
            mine.or_else(|| PeerContext::of(&self.codec_context)?.local_dispatch());
        local_dispatch.and_then(Container::from_home).ok_or(Error::NoContainer)
    }

    /// The clock of the container.
    ///
    /// # Errors
    /// As [`container`](Self::container).
    pub fn clock(&self) -> Result<Clock, Error> {
        self.container().map(|container| container.clock().clone())
    }

    /// Begins to end the container that the method is part of, or the RPC server: no connections and calls are taken
    /// any more. What has been called is answered first, this call included; then connections are closed, and agents run
    /// their `#[on_stop]`. [`Container::stopped`] and [`RpcServer::stopped`](crate::rpc::RpcServer::stopped) wait for that.
    ///
    /// # Errors
    /// [`Error::NoContainer`]: the method is part of neither, as that of a client, or the connection is gone.
    pub fn stop(&self) -> Result<(), Error> {
        if let Some(local_dispatch) = self.me.as_ref().and_then(|me| me.local_dispatch.upgrade()) {
            local_dispatch.stop();
            return Ok(());
        }
        let peer_context = PeerContext::of(&self.codec_context).ok_or(Error::NoContainer)?;
        peer_context.stop().ok_or(Error::NoContainer)
    }

    /// Runs a task beside this call, on the runtime that the method runs on, whichever that is: to do something later,
    /// when the call has been answered. In a simulation it goes by the simulation's time.
    ///
    /// ```
    /// # use aiomas::{Context, Error, Proxy, agent};
    /// # struct Shop;
    /// #[agent]
    /// impl Shop {
    ///     #[expose]
    ///     fn buy(&mut self, buyer: Proxy, #[context] ctx: &Context) -> Result<(), Error> {
    ///         let clock = ctx.clock()?;
    ///         ctx.spawn(async move {
    ///             if clock.sleep(1.0).await.is_ok() {
    ///                 // Nobody hears of a failure but this task.
    ///                 let _ = buyer.call("deliver").send::<()>().await;
    ///             }
    ///         })
    ///     }
    /// }
    /// ```
    ///
    /// It is no part of the call: it goes on when the call is given up, and holds no agent. To change the agent, it calls
    /// it ([`agent`](Self::agent)). Beyond that it is as [`Container::spawn_task`].
    ///
    /// # Errors
    /// [`Error::NoContainer`]: the container is gone or, of a service that is in none, the connection.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) -> Result<(), Error> {
        let mine = self
            .me
            .as_ref()
            .and_then(|me| me.local_dispatch.upgrade())
            .map(|local_dispatch| local_dispatch.host());
        let host = mine
            .or_else(|| PeerContext::of(&self.codec_context)?.host())
            .ok_or(Error::NoContainer)?;
        host.spawn(alone(task));
        Ok(())
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
