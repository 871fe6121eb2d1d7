//! Who may call what.

use std::fmt;
use std::sync::Arc;

use super::caller::Caller;
use crate::wire::RemoteError;

/// Decides whether a call goes through: it is told who calls, and the path from the service that it stands before
/// down to the function (`add`, `math/deep/neg`). An empty path is the service itself, which is no function: who is let
/// through is told its type.
pub type Check = dyn Fn(&Caller, &str) -> Result<(), RemoteError> + Send + Sync;

/// A service that not everybody may call. See [`authorize`].
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

    /// The same rule before something that `service` becomes.
    #[doc(hidden)]
    pub fn map<T>(self, change: impl FnOnce(S) -> T) -> Authorized<T> {
        Authorized { service: change(self.service), check: self.check }
    }
}

/// Lets `check` decide about each call of a function in `service`, or in services within it.
///
/// It is asked before arguments are decoded, and before anybody is told whether there is such a function. A call
/// that it refuses fails with its error, a [`permission`](RemoteError::permission) error as a rule, which is Python's
/// `PermissionError`. Services around it are asked first.
///
/// ```
/// use std::convert::Infallible;
///
/// use aiomas_core::rpc::{Caller, ServiceDict, authorize};
/// use aiomas_core::wire::RemoteError;
///
/// let valve = ServiceDict::<Infallible>::new("Valve").function("read", [], || 0.5).function("open", [], || ());
/// // Everybody may read; who opens it has to prove that he is the operator.
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
/// What `#[service]` and `#[agent]` make is wrapped in the same way: `container.spawn(authorize(valve, check))`.
///
/// The check is run for each call, by the task that moves the connection's bytes, so it must not block. It sees a
/// path as the caller has written it, and names are compared byte by byte: allow what may be called rather than refuse
/// what may not.
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
