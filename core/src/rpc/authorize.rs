//! Authorization: rules that decide which caller may call which function.

use std::fmt;
use std::sync::Arc;

use super::caller::Caller;
use crate::wire::RemoteError;

/// A function that decides whether a call may proceed.
///
/// It receives the caller and the path of the function, relative to the service it guards (`add`, `math/deep/neg`). An
/// empty path is the service itself, which is not a function: a permitted caller receives an error that names its type.
pub type Check = dyn Fn(&Caller, &str) -> Result<(), RemoteError> + Send + Sync;

/// A service guarded by an authorization rule. See [`authorize`].
#[derive(Clone)]
pub struct Authorized<S> {
    #[doc(hidden)]
    pub service: S,
    check: Arc<Check>,
}

impl<S> Authorized<S> {
    pub(super) fn check(&self, path: &[u8], caller: &Caller) -> Result<(), RemoteError> {
        (self.check)(caller, &String::from_utf8_lossy(path))
    }

    /// Puts the same rule before the result of `change`.
    #[doc(hidden)]
    pub fn map<T>(self, change: impl FnOnce(S) -> T) -> Authorized<T> {
        Authorized { service: change(self.service), check: self.check }
    }
}

/// Guards `service`: `check` decides about each call of its functions and nested services.
///
/// `check` runs before arguments are decoded, and before the caller can learn whether the function exists. A rejected
/// call fails with the error of `check`, normally a [`permission`](RemoteError::permission) error, which is Python's
/// `PermissionError`. The rules of enclosing services run first.
///
/// ```
/// use std::convert::Infallible;
///
/// use aiomas_core::rpc::{Caller, ServiceDict, authorize};
/// use aiomas_core::wire::RemoteError;
///
/// let valve = ServiceDict::<Infallible>::new("Valve").function("read", [], || 0.5).function("open", [], || ());
/// // Every caller may read; opening requires the certificate of the operator.
/// let valve = authorize(valve, |caller: &Caller, path: &str| {
///     let name = caller.certificate.as_ref().map_or("", |certificate| &certificate.subject);
///     if path == "read" || name == "CN=operator" {
///         return Ok(());
///     }
///     Err(RemoteError::permission(format_args!("{path}() is not for '{name}'")))
/// });
/// let root = ServiceDict::<Infallible>::new("Root").service("valve", valve);
/// ```
///
/// The services of `#[service]` and `#[agent]` are guarded in the same way: `container.spawn(authorize(valve, check))`.
///
/// `check` runs for each call in the I/O task of the connection, so it must not block. It receives the path as the
/// caller wrote it, and names are compared byte by byte: prefer an allow list.
pub fn authorize<S>(
    service: S,
    check: impl Fn(&Caller, &str) -> Result<(), RemoteError> + Send + Sync + 'static,
) -> Authorized<S> {
    Authorized { service, check: Arc::new(check) }
}

impl<S: fmt::Debug> fmt::Debug for Authorized<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Authorized").field(&self.service).finish()
    }
}
