//! A value with exposed methods as a service.

use std::sync::Arc;

use super::access_queue::{AccessQueue, Acquire};
use super::agent::{AgentHandle, HostedAgent};
use super::deadlock;
use super::guard::{Exclusive, Guard, Shared};
use super::interface::{Interface, IntoService, Invocation, Method};
use crate::Proxy;
use crate::later::{Later, SharedService};
use crate::peer_context::PeerContext;
use aiomas_core::connection::Limits;
use aiomas_core::rpc::{Access, Arguments, Caller, Outcome, Request, Service, ServiceDict};
use aiomas_core::wire::{Body, CodecContext, Format, Payload, RemoteError};

/// Serves a value: `&self` methods run concurrently, `&mut self` methods alone. All methods start in the order of their
/// calls.
struct ServiceCell<T> {
    queue: Arc<AccessQueue<T>>,
    services: Vec<(&'static str, SharedService)>,
    me: Option<Arc<AgentHandle>>,
}

impl<T: Interface> ServiceCell<T> {
    fn new(value: T, me: Option<Arc<AgentHandle>>) -> Self {
        // Only agents have an `#[on_start]`; services do not.
        let first = me.as_ref().and_then(|_| T::on_start()?.access());
        Self { services: value.services(), queue: Arc::new(AccessQueue::new(value, first)), me }
    }

    /// Calls a method, now or once it is granted access.
    #[inline]
    fn run(
        &self,
        method: Method<T>,
        name: &[u8],
        arguments: &Arguments<'_>,
        caller: &Caller,
    ) -> Outcome<Later> {
        let Some(access) = method.access() else { return Outcome::NotExposed };
        match self.queue.try_enter(access) {
            Some(value) => {
                let guard = Guard::new(&*self.queue, access, Some(value));
                let invocation = Invocation::new(arguments, caller, self.me.as_ref());
                run(guard, &self.queue, method, &invocation)
            }
            None => self.wait(method, access, name, arguments, caller),
        }
    }

    /// Queues a call.
    #[cold]
    fn wait(
        &self,
        method: Method<T>,
        access: Access,
        name: &[u8],
        arguments: &Arguments<'_>,
        caller: &Caller,
    ) -> Outcome<Later> {
        if deadlock::contains(id(&self.queue)) {
            let text = self.deadlock(&String::from_utf8_lossy(name));
            return RemoteError::new("DeadlockError", text).into();
        }
        let peer_context = PeerContext::of(arguments.codec_context());
        let most =
            peer_context.and_then(PeerContext::max_mailbox).unwrap_or(Limits::DEFAULT.max_mailbox);
        match self.queue.wait(most, peer_context.map_or(0, PeerContext::id), access) {
            Ok(acquire) => {
                let (content, caller) = (arguments.to_payload(), caller.clone());
                Outcome::Later(self.later(method, access, acquire, content, caller))
            }
            Err(error) => error.into(),
        }
    }

    /// Waits for access, and then runs the call.
    fn later(
        &self,
        method: Method<T>,
        access: Access,
        acquire: Acquire<T>,
        content: Payload,
        caller: Caller,
    ) -> Later {
        let (queue, me) = (self.queue.clone(), self.me.clone());
        Box::pin(async move {
            let (value, started) = acquire.wait().await?;
            let outcome = {
                let guard = Guard::new(&*queue, access, value);
                // The content was parsed before, so it is a request.
                let request = Request::parse(&content)?;
                let invocation = Invocation::new(&request.arguments, &caller, me.as_ref());
                run(guard, &queue, method, &invocation)
            };
            // The method has its arguments by now.
            drop(content);
            match outcome {
                Outcome::Done(answer) => answer,
                // The next call may start when this one has started, and not before.
                Outcome::Later(later) => started.then(later).await,
                Outcome::NotFound | Outcome::NotExposed => Err(RemoteError::lookup("no method")),
            }
        })
    }

    /// Describes a deadlock. The text may travel through several callers to a stranger, so it omits the address of the
    /// container.
    #[cold]
    fn deadlock(&self, method: &str) -> String {
        let who = match self.me.as_ref().and_then(|me| me.url()) {
            Some(url) => format!("agent \"{}\" ({})", url.aid(), T::TYPE_NAME),
            None => T::TYPE_NAME.to_owned(),
        };
        format!(
            "{method}() would wait for itself: {who} is busy with the call that makes it; \
             make it in a task of its own, or expose the methods with `&self`"
        )
    }

    /// Runs a hook: a method without arguments that has been granted access.
    fn hook(&self, method: Method<T>, guard: Guard<T, &AccessQueue<T>>) -> Outcome<Later> {
        let content = Payload::new(Format::Json, NO_CALL.into(), self.hook_context());
        match Request::parse(&content) {
            Ok(request) => {
                let caller = Caller::default();
                let invocation = Invocation::new(&request.arguments, &caller, self.me.as_ref());
                // An agent may remove itself, because the remover does not wait for the hook.
                deadlock::outside(|| run(guard, &self.queue, method, &invocation))
            }
            Err(error) => RemoteError::from(error).into(),
        }
    }

    /// Returns a codec context that leads a hook to its container.
    fn hook_context(&self) -> CodecContext {
        let local_dispatch = self.me.as_ref().and_then(|me| me.local_dispatch.upgrade());
        local_dispatch.map_or_else(CodecContext::default, |local_dispatch| {
            local_dispatch.codec_context().clone()
        })
    }
}

/// Returns the result of a hook.
fn nothing() -> Body {
    Body::from_encoded(Format::Json, b"null".as_slice().into())
}

/// A call without a path and arguments.
const NO_CALL: &[u8] = b"[\"\", [], {}]";

impl<T: Interface> Method<T> {
    const fn access(&self) -> Option<Access> {
        match self {
            Self::Shared(_) | Self::SharedAsync(_) => Some(Access::Shared),
            Self::Exclusive(_) | Self::ExclusiveAsync(_) => Some(Access::Exclusive),
            Self::Hidden => None,
        }
    }
}

impl<T: Interface> Service<Later> for ServiceCell<T> {
    fn type_name(&self) -> &str {
        T::TYPE_NAME
    }

    fn service(&self, name: &str) -> Option<&dyn Service<Later>> {
        self.service_bytes(name.as_bytes())
    }

    fn access(&self, method: &str) -> Option<Access> {
        T::method(method.as_bytes())?.access()
    }

    fn call(&self, method: &str, arguments: &Arguments<'_>, caller: &Caller) -> Outcome<Later> {
        self.call_bytes(method.as_bytes(), arguments, caller)
    }

    fn service_bytes(&self, name: &[u8]) -> Option<&dyn Service<Later>> {
        let found = self.services.iter().find(|(other, _)| other.as_bytes() == name);
        found.map(|(_, service)| &**service as &dyn Service<Later>)
    }

    #[inline]
    fn call_bytes(
        &self,
        method: &[u8],
        arguments: &Arguments<'_>,
        caller: &Caller,
    ) -> Outcome<Later> {
        match T::method(method) {
            Some(found) => self.run(found, method, arguments, caller),
            None => Outcome::NotFound,
        }
    }
}

impl<T: Interface> HostedAgent for ServiceCell<T> {
    fn start(&self) -> Outcome<Later> {
        let Some(method) = T::on_start() else { return Outcome::NotFound };
        let Some(access) = method.access() else { return Outcome::NotExposed };
        let guard = Guard::new(&*self.queue, access, self.queue.enter(access));
        match self.hook(method, guard) {
            Outcome::Done(Ok(answer)) => {
                self.queue.open();
                Outcome::Done(Ok(answer))
            }
            // If the hook fails, or is dropped, the queue stays closed.
            Outcome::Later(later) => {
                let queue = self.queue.clone();
                Outcome::Later(Box::pin(async move {
                    let answer = later.await?;
                    queue.open();
                    Ok(answer)
                }))
            }
            outcome => outcome,
        }
    }

    fn fail_start(&self, error: &RemoteError) {
        self.queue.close_queue(error, true);
    }

    fn has_stop(&self) -> bool {
        T::on_stop().is_some()
    }

    fn stop(&self) -> Outcome<Later> {
        let Some(method) = T::on_stop() else { return Outcome::NotFound };
        let Some(access) = method.access() else { return Outcome::NotExposed };
        let Some(acquire) = self.queue.wait_last(access) else { return Outcome::NotFound };
        // The agent may be removed before its hook has run, so the hook keeps everything that it needs.
        let this = Self { queue: self.queue.clone(), services: Vec::new(), me: self.me.clone() };
        Outcome::Later(Box::pin(async move {
            // An agent that has not started has nothing to stop.
            let Ok((value, started)) = acquire.wait().await else { return Ok(nothing()) };
            started.last();
            let outcome = this.hook(method, Guard::new(&*this.queue, access, value));
            match outcome {
                Outcome::Done(answer) => answer,
                Outcome::Later(later) => later.await,
                Outcome::NotFound | Outcome::NotExposed => Ok(nothing()),
            }
        }))
    }

    fn is_stopping(&self) -> bool {
        self.queue.is_closed()
    }

    fn waiting(&self) -> usize {
        self.queue.waiting()
    }

    fn close_queue(&self, error: &RemoteError) {
        self.queue.close_queue(error, false);
    }
}

impl<T: Interface> IntoService for T {
    type Proxy = T::Proxy;

    fn into_service(self) -> SharedService {
        Arc::new(ServiceCell::new(self, None))
    }
}

impl IntoService for ServiceDict<Later> {
    type Proxy = Proxy;

    fn into_service(self) -> SharedService {
        Arc::new(self)
    }
}

/// Hosts an agent. `#[agent]` calls it.
#[doc(hidden)]
pub fn host_agent<T: Interface>(agent: T, me: Arc<AgentHandle>) -> Arc<dyn HostedAgent> {
    Arc::new(ServiceCell::new(agent, Some(me)))
}

/// Calls a method. `queue` is the queue that granted `guard`.
#[inline]
fn run<T: Interface>(
    mut guard: Guard<T, &AccessQueue<T>>,
    queue: &Arc<AccessQueue<T>>,
    method: Method<T>,
    invocation: &Invocation<'_>,
) -> Outcome<Later> {
    let later = match method {
        Method::Shared(call) => return Outcome::Done(call(guard.get(), invocation)),
        Method::Exclusive(call) => return Outcome::Done(call(guard.get_mut(), invocation)),
        Method::SharedAsync(call) => call(Shared(guard.into_own(queue.clone())), invocation),
        Method::ExclusiveAsync(call) => call(Exclusive(guard.into_own(queue.clone())), invocation),
        Method::Hidden => return Outcome::NotExposed,
    };
    match later {
        Ok(later) => Outcome::Later(deadlock::track(id(queue), later)),
        Err(error) => error.into(),
    }
}

/// Returns a key that identifies a value during its lifetime.
fn id<T>(queue: &Arc<AccessQueue<T>>) -> usize {
    Arc::as_ptr(queue) as usize
}
