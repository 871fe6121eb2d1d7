//! A value with exposed methods as a service.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use super::chain;
use super::interface::{Interface, Invocation, Later, Method, SharedService};
use super::mailbox::{Gate, Pass};
use super::{Identity, Resident, guarded};
use crate::rpc::{Access, Arguments, Caller, Outcome, Request, Service};
use crate::wire::{Notation, Payload, RemoteError, Scope};

/// How many calls may wait for a value that is no agent.
const MAX_WAITING: u32 = 1024;

/// Serves a value: `&self` methods side by side, `&mut self` ones alone, and all of them starting in the
/// order in which they were called.
pub(in crate::driver) struct Hosted<T> {
    gate: Arc<Gate<T>>,
    services: Vec<(&'static str, SharedService)>,
    me: Option<Arc<Identity>>,
}

impl<T: Interface> Hosted<T> {
    pub(in crate::driver) fn new(value: T, me: Option<Arc<Identity>>) -> Self {
        let max_waiting = me.as_ref().map_or(MAX_WAITING, |me| me.max_mailbox);
        Self { services: value.services(), gate: Arc::new(Gate::new(value, max_waiting)), me }
    }

    /// Calls a method, now or when its turn has come.
    #[inline]
    fn run(
        &self,
        method: Method<T>,
        name: &[u8],
        arguments: &Arguments<'_>,
        caller: &Caller,
    ) -> Outcome<Later> {
        let Some(access) = method.access() else { return Outcome::NotExposed };
        match self.gate.try_enter(access) {
            Some(value) => {
                let guard = Guard { gate: &*self.gate, access, value: Some(value) };
                let invocation = Invocation::new(arguments, caller, self.me.as_ref());
                guard.run(method, &invocation, || self.gate.clone())
            }
            None => self.wait(method, access, name, arguments, caller),
        }
    }

    /// Lets a call wait for its turn.
    #[cold]
    fn wait(
        &self,
        method: Method<T>,
        access: Access,
        name: &[u8],
        arguments: &Arguments<'_>,
        caller: &Caller,
    ) -> Outcome<Later> {
        if chain::contains(self.id()) {
            let text = self.deadlock(&String::from_utf8_lossy(name));
            return RemoteError::new("DeadlockError", text).into();
        }
        match self.gate.wait(access) {
            Ok(pass) => {
                let (content, caller) = (arguments.to_payload(), caller.clone());
                Outcome::Later(self.later(method, access, pass, content, caller))
            }
            Err(waiting) => {
                let who = self.describe();
                let text = format!("{waiting} calls wait for {who} already (`max_mailbox`)");
                RemoteError::new("OverloadedError", text).into()
            }
        }
    }

    /// Waits for the turn of a call, and then runs it.
    fn later(
        &self,
        method: Method<T>,
        access: Access,
        pass: Pass<T>,
        content: Payload,
        caller: Caller,
    ) -> Later {
        let (gate, me) = (self.gate.clone(), self.me.clone());
        Box::pin(async move {
            let (value, started) = pass.wait().await?;
            let outcome = {
                let guard = Guard { gate: &*gate, access, value };
                // It was parsed before, so it is a request.
                let request = Request::parse(&content)?;
                let invocation = Invocation::new(&request.arguments, &caller, me.as_ref());
                guard.run(method, &invocation, || gate.clone())
            };
            match outcome {
                Outcome::Done(answer) => answer,
                // The next one may start when this one has, and not before.
                Outcome::Later(later) => started.then(later).await,
                Outcome::NotFound | Outcome::NotExposed => Err(RemoteError::lookup("no method")),
            }
        })
    }

    /// What tells it from others, for as long as it lives.
    fn id(&self) -> usize {
        Arc::as_ptr(&self.gate) as usize
    }

    fn describe(&self) -> String {
        match &self.me {
            Some(me) => format!("{}('{}')", T::TYPE_NAME, me.url),
            None => T::TYPE_NAME.to_owned(),
        }
    }

    #[cold]
    fn deadlock(&self, method: &str) -> String {
        let who = self.describe();
        format!(
            "{method}() would wait for itself: {who} is busy with the call that makes it; \
             make it in a task of its own, or expose the methods with `&self`"
        )
    }

    /// Runs a method that takes no arguments.
    fn hook(&self, hook: Option<Method<T>>, name: &str) -> Outcome<Later> {
        let Some(method) = hook else { return Outcome::NotFound };
        let content = Payload::new(Notation::Json, NO_CALL.into(), self.hook_scope());
        match Request::parse(&content) {
            Ok(request) => {
                let run =
                    || self.run(method, name.as_bytes(), &request.arguments, &Caller::default());
                // An agent may remove itself; nobody waits for the hook then.
                guarded(|| chain::outside(run))
            }
            Err(error) => RemoteError::from(error).into(),
        }
    }

    /// So that a hook's context leads to the container.
    fn hook_scope(&self) -> Scope {
        let container = self.me.as_ref().and_then(|me| me.container.upgrade());
        container.map_or_else(Scope::default, |container| container.local_scope().clone())
    }
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

impl<T: Interface> Service<Later> for Hosted<T> {
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

impl<T: Interface> Resident for Hosted<T> {
    fn start(&self) -> Outcome<Later> {
        self.hook(T::on_start(), "on_start")
    }

    fn stop(&self) -> Outcome<Later> {
        self.hook(T::on_stop(), "on_stop")
    }

    fn desert(&self, error: &RemoteError) {
        self.gate.desert(error);
    }
}

/// The right to run one call, and the value to run it on. Others have their turn when it is dropped.
struct Guard<T, G: Deref<Target = Gate<T>>> {
    gate: G,
    access: Access,
    /// Always there, except while it is being dropped.
    value: Option<Arc<T>>,
}

/// A guard that goes with a future.
type OwnGuard<T> = Guard<T, Arc<Gate<T>>>;

impl<T: Interface> Guard<T, &Gate<T>> {
    #[inline]
    fn run(
        mut self,
        method: Method<T>,
        invocation: &Invocation<'_>,
        gate: impl Fn() -> Arc<Gate<T>>,
    ) -> Outcome<Later> {
        let later = match method {
            Method::Shared(call) => return Outcome::Done(call(self.get(), invocation)),
            Method::Exclusive(call) => return Outcome::Done(call(self.get_mut(), invocation)),
            Method::SharedAsync(call) => call(Shared(self.into_own(gate())), invocation),
            Method::ExclusiveAsync(call) => call(Exclusive(self.into_own(gate())), invocation),
            Method::Hidden => return Outcome::NotExposed,
        };
        match later {
            Ok(later) => Outcome::Later(chain::link(Arc::as_ptr(&gate()) as usize, later)),
            Err(error) => error.into(),
        }
    }

    fn into_own(mut self, gate: Arc<Gate<T>>) -> OwnGuard<T> {
        let own = Guard { gate, access: self.access, value: self.value.take() };
        // The call goes on.
        std::mem::forget(self);
        own
    }
}

impl<T, G: Deref<Target = Gate<T>>> Guard<T, G> {
    fn get(&self) -> &T {
        match &self.value {
            Some(value) => value,
            // It is put back before the gate lets the next one in.
            None => unreachable!("the value is there while a call runs"),
        }
    }

    fn get_mut(&mut self) -> &mut T {
        match self.value.as_mut().and_then(Arc::get_mut) {
            Some(value) => value,
            // The gate lets nobody else in, and whoever was in has given the value back.
            None => unreachable!("an exclusive call has the value for itself"),
        }
    }
}

impl<T, G: Deref<Target = Gate<T>>> Drop for Guard<T, G> {
    fn drop(&mut self) {
        self.gate.leave(self.access, self.value.take());
    }
}

/// A value that others call at the same time, for as long as one call lasts.
pub struct Shared<T: Interface>(OwnGuard<T>);

impl<T: Interface> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.get()
    }
}

/// A value that nobody else calls, for as long as one call lasts.
pub struct Exclusive<T: Interface>(OwnGuard<T>);

impl<T: Interface> Deref for Exclusive<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.get()
    }
}

impl<T: Interface> DerefMut for Exclusive<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_mut()
    }
}

impl<T: Interface> std::fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Shared").field(&T::TYPE_NAME).finish()
    }
}

impl<T: Interface> std::fmt::Debug for Exclusive<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Exclusive").field(&T::TYPE_NAME).finish()
    }
}
