//! A value with exposed methods as a service.

use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex};

use super::chain;
use super::interface::{Interface, Invocation, Later, Method, SharedService};
use super::mailbox::{Gate, Pass};
use super::{Identity, Resident};
use crate::driver::lock::lock;
use crate::rpc::{Access, Arguments, Caller, Outcome, Request, Service};
use crate::wire::{Notation, Payload, RemoteError, Scope};

/// How many calls may wait for a value that is no agent.
const MAX_WAITING: u32 = 1024;

/// Serves a value: `&self` methods side by side, `&mut self` ones alone, and all of them starting in the
/// order in which they were called.
pub(in crate::driver) struct Hosted<T> {
    value: Arc<Value<T>>,
    services: Vec<(&'static str, SharedService)>,
    me: Option<Arc<Identity>>,
}

struct Value<T> {
    gate: Gate,
    /// Taken out by whoever has it for himself; others share it.
    value: Mutex<Option<Arc<T>>>,
}

impl<T: Interface> Hosted<T> {
    pub(in crate::driver) fn new(value: T, me: Option<Arc<Identity>>) -> Self {
        let max_waiting = me.as_ref().map_or(MAX_WAITING, |me| me.max_mailbox);
        Self {
            services: value.services(),
            value: Arc::new(Value {
                gate: Gate::new(max_waiting),
                value: Mutex::new(Some(Arc::new(value))),
            }),
            me,
        }
    }

    /// Calls a method, now or when its turn has come.
    fn run(
        &self,
        method: Method<T>,
        name: &str,
        arguments: &Arguments<'_>,
        caller: &Caller,
    ) -> Outcome<Later> {
        let Some(access) = method.access() else { return Outcome::NotExposed };
        if self.value.gate.try_enter(access) {
            let guard = Guard::new(self.value.clone(), access);
            return guard.run(method, &Invocation::new(arguments, caller, self.me.as_ref()));
        }
        if chain::contains(self.value.id()) {
            return RemoteError::new("DeadlockError", self.deadlock(name)).into();
        }
        let pass = match Gate::wait(&self.value.gate, access) {
            Ok(pass) => pass,
            Err(waiting) => {
                let text =
                    format!("{waiting} calls wait for {} already (`max_mailbox`)", self.describe());
                return RemoteError::new("OverloadedError", text).into();
            }
        };
        Outcome::Later(self.later(method, access, pass, arguments.to_payload(), caller.clone()))
    }

    /// Waits for the turn of a call, and then runs it.
    fn later(
        &self,
        method: Method<T>,
        access: Access,
        pass: Pass,
        content: Payload,
        caller: Caller,
    ) -> Later {
        let (value, me) = (self.value.clone(), self.me.clone());
        Box::pin(async move {
            let started = pass.wait(&value.gate).await?;
            let guard = Guard::new(value, access);
            // It was parsed before, so it is a request.
            let request = Request::parse(&content)?;
            let invocation = Invocation::new(&request.arguments, &caller, me.as_ref());
            let outcome = guard.run(method, &invocation);
            drop(request);
            match outcome {
                Outcome::Done(answer) => answer,
                // The next one may start when this one has, and not before.
                Outcome::Later(later) => started.then(later).await,
                Outcome::NotFound | Outcome::NotExposed => Err(RemoteError::lookup("no method")),
            }
        })
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
            Ok(request) => self.run(method, name, &request.arguments, &Caller::default()),
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

impl<T> Value<T> {
    fn id(self: &Arc<Self>) -> usize {
        Arc::as_ptr(self) as usize
    }
}

impl<T: Interface> Service<Later> for Hosted<T> {
    fn type_name(&self) -> &str {
        T::TYPE_NAME
    }

    fn service(&self, name: &str) -> Option<&dyn Service<Later>> {
        let (_, service) = self.services.iter().find(|(other, _)| *other == name)?;
        Some(&**service)
    }

    fn access(&self, method: &str) -> Option<Access> {
        T::method(method)?.access()
    }

    fn call(&self, method: &str, arguments: &Arguments<'_>, caller: &Caller) -> Outcome<Later> {
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
        self.value.gate.desert(error);
    }
}

/// The right to run one call, and the value to run it on. Others have their turn when it is dropped.
struct Guard<T> {
    of: Arc<Value<T>>,
    access: Access,
    /// Always there, except while it is being dropped.
    value: Option<Arc<T>>,
}

impl<T: Interface> Guard<T> {
    /// The call has entered the gate.
    fn new(of: Arc<Value<T>>, access: Access) -> Self {
        let value = {
            let mut value = lock(&of.value);
            match access {
                Access::Shared => value.clone(),
                Access::Exclusive => value.take(),
            }
        };
        Self { of, access, value }
    }

    fn run(self, method: Method<T>, invocation: &Invocation<'_>) -> Outcome<Later> {
        let id = self.of.id();
        let later = match method {
            Method::Shared(call) => return Outcome::Done(call(&Shared(self), invocation)),
            Method::Exclusive(call) => {
                return Outcome::Done(call(&mut Exclusive(self), invocation));
            }
            Method::SharedAsync(call) => call(Shared(self), invocation),
            Method::ExclusiveAsync(call) => call(Exclusive(self), invocation),
            Method::Hidden => return Outcome::NotExposed,
        };
        match later {
            Ok(later) => Outcome::Later(chain::link(id, later)),
            Err(error) => error.into(),
        }
    }
}

impl<T> Drop for Guard<T> {
    fn drop(&mut self) {
        // What was shared is given back before anybody can have it for himself.
        match self.access {
            Access::Shared => self.value = None,
            Access::Exclusive => *lock(&self.of.value) = self.value.take(),
        }
        self.of.gate.leave(self.access);
    }
}

/// A value that others call at the same time, for as long as one call lasts.
pub struct Shared<T: Interface>(Guard<T>);

impl<T: Interface> Deref for Shared<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.get()
    }
}

/// A value that nobody else calls, for as long as one call lasts.
pub struct Exclusive<T: Interface>(Guard<T>);

impl<T: Interface> Deref for Exclusive<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.get()
    }
}

impl<T: Interface> DerefMut for Exclusive<T> {
    fn deref_mut(&mut self) -> &mut T {
        match self.0.value.as_mut().and_then(Arc::get_mut) {
            Some(value) => value,
            // The gate lets nobody else in, and whoever was in has given the value back.
            None => unreachable!("an exclusive call has the value for itself"),
        }
    }
}

impl<T> Guard<T> {
    fn get(&self) -> &T {
        match &self.value {
            Some(value) => value,
            // It is put back before the gate lets the next one in.
            None => unreachable!("the value is there while a call runs"),
        }
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
