//! Services: what can be called.

use std::fmt;
use std::sync::Arc;

use super::Arguments;
use super::authorize::Authorized;
use super::caller::Caller;
use crate::wire::{Body, RemoteError};

/// Something with functions that the other side may call, and with services in it.
///
/// `L` is how the host lets a function answer later: a boxed future, a ticket, or
/// [`Infallible`](std::convert::Infallible) where all answer at once.
///
/// ```
/// use aiomas_core::rpc::{Access, Arguments, Caller, Outcome, Parameter, Service, Signature};
///
/// struct Calculator;
///
/// impl<L> Service<L> for Calculator {
///     fn type_name(&self) -> &str {
///         "Calculator"
///     }
///
///     fn access(&self, method: &str) -> Option<Access> {
///         (method == "add").then_some(Access::Shared)
///     }
///
///     fn call(&self, method: &str, arguments: &Arguments<'_>, _: &Caller) -> Outcome<L> {
///         const ADD: &[Parameter] = &[Parameter::required("a"), Parameter::required("b")];
///         match method {
///             "add" => Outcome::of(|| {
///                 let bound = arguments.bind(&Signature::new("add", ADD))?;
///                 let sum = bound.required::<i64>(0)? + bound.required::<i64>(1)?;
///                 arguments.encode(&sum)
///             }),
///             _ => Outcome::NotFound,
///         }
///     }
/// }
/// ```
pub trait Service<L> {
    /// The name of the type, for errors such as `"Root.hidden" is not exposed`.
    fn type_name(&self) -> &str;

    /// The service called `name` in this one.
    fn service(&self, name: &str) -> Option<&dyn Service<L>> {
        let _ = name;
        None
    }

    /// How the function `method` has to be run, `None` if no such function is exposed. A host that
    /// runs functions side by side asks before it calls.
    fn access(&self, method: &str) -> Option<Access>;

    /// Calls the function `method`.
    fn call(&self, method: &str, arguments: &Arguments<'_>, caller: &Caller) -> Outcome<L>;

    /// Whether `caller` may call what is at `path` in this service: see [`authorize`](fn@super::authorize). It is
    /// asked before anything is looked for in it. A service around another one asks that as well.
    ///
    /// # Errors
    /// What the call fails with.
    fn admit(&self, path: &[u8], caller: &Caller) -> Result<(), RemoteError> {
        let _ = (path, caller);
        Ok(())
    }

    /// As [`service`](Self::service), by the bytes of the name. Services that compare names need not
    /// look at them as strings; it takes longer than comparing.
    fn service_bytes(&self, name: &[u8]) -> Option<&dyn Service<L>> {
        self.service(str::from_utf8(name).ok()?)
    }

    /// As [`call`](Self::call), by the bytes of the name.
    fn call_bytes(&self, method: &[u8], arguments: &Arguments<'_>, caller: &Caller) -> Outcome<L> {
        match str::from_utf8(method) {
            Ok(method) => self.call(method, arguments, caller),
            Err(_) => Outcome::NotFound,
        }
    }
}

impl<L, S: Service<L> + ?Sized> Service<L> for Arc<S> {
    fn type_name(&self) -> &str {
        (**self).type_name()
    }

    fn service(&self, name: &str) -> Option<&dyn Service<L>> {
        (**self).service(name)
    }

    fn access(&self, method: &str) -> Option<Access> {
        (**self).access(method)
    }

    fn call(&self, method: &str, arguments: &Arguments<'_>, caller: &Caller) -> Outcome<L> {
        (**self).call(method, arguments, caller)
    }

    fn admit(&self, path: &[u8], caller: &Caller) -> Result<(), RemoteError> {
        (**self).admit(path, caller)
    }

    fn service_bytes(&self, name: &[u8]) -> Option<&dyn Service<L>> {
        (**self).service_bytes(name)
    }

    fn call_bytes(&self, method: &[u8], arguments: &Arguments<'_>, caller: &Caller) -> Outcome<L> {
        (**self).call_bytes(method, arguments, caller)
    }
}

impl<L, S: Service<L>> Service<L> for Authorized<S> {
    fn type_name(&self) -> &str {
        self.service.type_name()
    }

    fn service(&self, name: &str) -> Option<&dyn Service<L>> {
        self.service.service(name)
    }

    fn access(&self, method: &str) -> Option<Access> {
        self.service.access(method)
    }

    fn call(&self, method: &str, arguments: &Arguments<'_>, caller: &Caller) -> Outcome<L> {
        self.service.call(method, arguments, caller)
    }

    fn admit(&self, path: &[u8], caller: &Caller) -> Result<(), RemoteError> {
        self.check(path, caller)?;
        self.service.admit(path, caller)
    }

    fn service_bytes(&self, name: &[u8]) -> Option<&dyn Service<L>> {
        self.service.service_bytes(name)
    }

    fn call_bytes(&self, method: &[u8], arguments: &Arguments<'_>, caller: &Caller) -> Outcome<L> {
        self.service.call_bytes(method, arguments, caller)
    }
}

/// How a function has to be run beside the others of its service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// At any time, as a method that takes `&self`.
    Shared,
    /// Alone, as a method that takes `&mut self`.
    Exclusive,
}

/// What became of a call.
pub enum Outcome<L> {
    /// The answer.
    Done(Result<Body, RemoteError>),
    /// There will be an answer.
    Later(L),
    /// The service has no such function.
    NotFound,
    /// There is something of that name, but it is not to be called from outside.
    NotExposed,
}

impl<L> Outcome<L> {
    /// Runs `f`, in which `?` can be used, for the answer.
    pub fn of(f: impl FnOnce() -> Result<Body, RemoteError>) -> Self {
        Self::Done(f())
    }
}

impl<L> From<RemoteError> for Outcome<L> {
    fn from(error: RemoteError) -> Self {
        Self::Done(Err(error))
    }
}

impl<L> fmt::Debug for Outcome<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done(answer) => f.debug_tuple("Done").field(answer).finish(),
            Self::Later(_) => f.write_str("Later"),
            Self::NotFound => f.write_str("NotFound"),
            Self::NotExposed => f.write_str("NotExposed"),
        }
    }
}
