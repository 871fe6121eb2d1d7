//! The context of a call, as its method sees it.

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

/// The caller of a method and the container around the method. A method takes it as a parameter marked `#[context]`,
/// which is invisible to callers.
#[derive(Clone)]
pub struct Context {
    codec_context: CodecContext,
    caller: Caller,
    me: Option<Arc<AgentHandle>>,
}

impl Invocation<'_> {
    /// Returns the context of the call.
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
    /// Returns the caller. Agents of the same container have no address, and the id
    /// [`CallerId::Local`](aiomas_core::rpc::CallerId::Local).
    #[must_use]
    pub const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// Returns the caller's deadline, if the caller has sent one: see [`time_left`](Self::time_left).
    #[must_use]
    pub const fn deadline(&self) -> Option<Instant> {
        self.caller.deadline
    }

    /// Returns how long the caller still waits; `None` without a deadline. When no time is left, the method is dropped
    /// at its next await.
    ///
    /// A call carries a deadline if it has a timeout and both sides have agreed on deadlines in Hello (see
    /// [`Extensions`](aiomas_core::connection::Extensions)); within a container, a timeout suffices. Calls that the
    /// method makes do not inherit the deadline; pass it on explicitly:
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
        // If the connection is gone, the caller no longer waits.
        let now = PeerContext::of(&self.codec_context).and_then(PeerContext::now);
        Some(now.map_or(Duration::ZERO, |now| deadline.saturating_duration_since(now)))
    }

    /// Returns the certificate that authenticates the caller; `None` for agents of the same container, and without TLS.
    #[must_use]
    pub fn certificate(&self) -> Option<&PeerCertificate> {
        self.caller.certificate.as_deref()
    }

    /// Returns the peer that made the call, to inspect or close its connection; `None` for agents of the same
    /// container.
    #[must_use]
    pub fn peer(&self) -> Option<Peer> {
        Peer::of_codec_context(&self.codec_context)
    }

    /// Returns the caller's root service, to call it back over the same connection (aiomas' `client.remote`).
    #[must_use]
    pub fn remote(&self) -> Proxy {
        Proxy::from_peer_context(PeerContext::of(&self.codec_context), "")
    }

    /// Returns the caller's root service as a typed proxy.
    #[must_use]
    pub fn remote_as<P: From<Proxy>>(&self) -> P {
        self.remote().into()
    }

    /// Returns the codec that the caller writes and is answered in. It is `None` for agents of the same container,
    /// whose calls use no wire format.
    #[must_use]
    pub fn codec(&self) -> Option<Codec> {
        PeerContext::of(&self.codec_context)?.codec()
    }

    pub(super) const fn codec_context(&self) -> &CodecContext {
        &self.codec_context
    }

    /// Returns a proxy of the agent that runs the method. Pass it on as aiomas passes `self`.
    ///
    /// # Errors
    /// [`Error::NoContainer`]: the service is not an agent.
    pub fn agent(&self) -> Result<Proxy, Error> {
        let me = self.me.as_ref().ok_or(Error::NoContainer)?;
        let url = me.url().ok_or(Error::NoContainer)?.clone();
        Ok(Proxy::of_local(me.local_dispatch.clone(), url))
    }

    /// Returns the URL of the agent that runs the method; `None` in a service that is not an agent.
    #[must_use]
    pub fn url(&self) -> Option<&AgentUrl> {
        self.me.as_ref().and_then(|me| me.url())
    }

    /// Returns the container of the agent that runs the method.
    ///
    /// # Errors
    /// [`Error::NoContainer`]: the service is not in a container, or the container is gone.
    pub fn container(&self) -> Result<Container, Error> {
        let mine = self.me.as_ref().and_then(|me| me.local_dispatch.upgrade());
        let local_dispatch =
            mine.or_else(|| PeerContext::of(&self.codec_context)?.local_dispatch());
        local_dispatch.and_then(Container::from_home).ok_or(Error::NoContainer)
    }

    /// Returns the clock of the container.
    ///
    /// # Errors
    /// The errors of [`container`](Self::container).
    pub fn clock(&self) -> Result<Clock, Error> {
        self.container().map(|container| container.clock().clone())
    }

    /// Starts the shutdown of the container or the RPC server that the method belongs to: it accepts no more
    /// connections and calls. Pending calls, this one included, are answered first. Then connections are closed, and
    /// agents run their `#[on_stop]`. [`Container::stopped`] and [`RpcServer::stopped`](crate::rpc::RpcServer::stopped)
    /// wait for the end.
    ///
    /// # Errors
    /// [`Error::NoContainer`]: the method belongs to neither, like that of a client, or the connection is gone.
    pub fn stop(&self) -> Result<(), Error> {
        if let Some(local_dispatch) = self.me.as_ref().and_then(|me| me.local_dispatch.upgrade()) {
            local_dispatch.stop();
            return Ok(());
        }
        let peer_context = PeerContext::of(&self.codec_context).ok_or(Error::NoContainer)?;
        peer_context.stop().ok_or(Error::NoContainer)
    }

    /// Spawns a task beside this call, on the runtime of the method. Use it to act after the call is answered. In a
    /// simulation the task runs in simulated time.
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
    ///                 // Only this task learns of a failure.
    ///                 let _ = buyer.call("deliver").send::<()>().await;
    ///             }
    ///         })
    ///     }
    /// }
    /// ```
    ///
    /// The task is independent of the call: it goes on when the call is cancelled, and holds no agent. To change the
    /// agent, the task calls it ([`agent`](Self::agent)). Otherwise it behaves like [`Container::spawn_task`].
    ///
    /// # Errors
    /// [`Error::NoContainer`]: the container is gone. For a service without a container: the connection is gone.
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
