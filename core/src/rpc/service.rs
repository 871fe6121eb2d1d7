//! Services: sets of functions that peers can call.

use std::fmt;
use std::sync::Arc;

use super::Arguments;
use super::authorize::Authorized;
use super::caller::Caller;
use crate::wire::{Body, RemoteError};

/// A set of functions that the other side may call, and of nested services.
///
/// `L` is the host's way of answering later: a boxed future, a ticket, or [`Infallible`](std::convert::Infallible)
/// where all functions answer at once.
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
    /// Returns the name of the type, for errors such as `"Root.hidden" is not exposed`.
    fn type_name(&self) -> &str;

    /// Returns the nested service `name`.
    fn service(&self, name: &str) -> Option<&dyn Service<L>> {
        let _ = name;
        None
    }

    /// Returns how the function `method` must be run; `None` if it is not exposed.
    ///
    /// A host that runs functions concurrently asks before it calls.
    fn access(&self, method: &str) -> Option<Access>;

    /// Calls the function `method`.
    fn call(&self, method: &str, arguments: &Arguments<'_>, caller: &Caller) -> Outcome<L>;

    /// Checks that `caller` may call the function at `path` in this service.
    ///
    /// See [`authorize`](fn@super::authorize). The check runs before any lookup in this service. A service that wraps
    /// another one must also run the check of the inner service.
    ///
    /// # Errors
    /// Returns the error with which the call fails.
    fn admit(&self, path: &[u8], caller: &Caller) -> Result<(), RemoteError> {
        let _ = (path, caller);
        Ok(())
    }

    /// Returns the nested service with this name, given as bytes.
    ///
    /// Equivalent to [`service`](Self::service). A service that compares names saves the UTF-8 validation, which takes
    /// longer than the comparison.
    fn service_bytes(&self, name: &[u8]) -> Option<&dyn Service<L>> {
        self.service(str::from_utf8(name).ok()?)
    }

    /// Calls the function with this name, given as bytes, like [`call`](Self::call).
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

/// The access to its service that a function needs while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Shared access, as of a method that takes `&self`.
    Shared,
    /// Exclusive access, as of a method that takes `&mut self`.
    Exclusive,
}

/// The outcome of a call.
pub enum Outcome<L> {
    /// The call has its answer.
    Done(Result<Body, RemoteError>),
    /// The call is answered later.
    Later(L),
    /// The service has no such function.
    NotFound,
    /// The name exists, but may not be called from outside.
    NotExposed,
}

impl<L> Outcome<L> {
    /// Runs `f`, in which `?` works, and returns its result as the answer.
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
