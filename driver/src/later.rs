//! Later answers of async methods.

use std::any::Any;
use std::fmt::{self, Display};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::Error;
use super::contain::{Contained, contain};
use super::endpoint::EndpointId;
use aiomas_core::internal::causes;
use aiomas_core::rpc::{Outcome, Service};
use aiomas_core::wire::RemoteError;

pub use aiomas_core::rpc::{Answer, Later};

/// A service that connections share.
pub type SharedService = Arc<dyn Service<Later> + Send + Sync>;

/// Converts the error of a method into the failure that its caller receives. A peer's failure passes through unchanged.
pub fn failure<E: Display + 'static>(error: E) -> RemoteError {
    let mut error = Some(error);
    let ours = (&mut error as &mut dyn Any).downcast_mut::<Option<Error>>();
    match (ours.and_then(Option::take), error) {
        (Some(error), _) => error.into(),
        (None, Some(error)) => RemoteError::from_error(error),
        (None, None) => RemoteError::new(RemoteError::UNKNOWN, ""),
    }
}

/// The causes of an error, for [`failure`]. The macros select one of the traits below by calling the method `causes`
/// through several references: the first matching one applies.
pub struct Causes<'a, E>(pub &'a E);

impl<E> fmt::Debug for Causes<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Causes")
    }
}

/// Finds the causes of a standard error.
pub trait CausesOfError {
    /// Returns the errors that led to it, the nearest first.
    fn causes(&self) -> Vec<String>;
}

impl<E: std::error::Error + 'static> CausesOfError for &&Causes<'_, E> {
    fn causes(&self) -> Vec<String> {
        causes(self.0)
    }
}

/// Finds the causes of a wrapper around any error, such as `anyhow`'s.
pub trait CausesOfAny {
    /// Acts like [`CausesOfError::causes`].
    fn causes(&self) -> Vec<String>;
}

impl<E: AsRef<dyn std::error::Error + Send + Sync>> CausesOfAny for &Causes<'_, E> {
    fn causes(&self) -> Vec<String> {
        causes(self.0.as_ref())
    }
}

/// Applies to all other types: they have no causes, or [`RemoteError::from_error`] finds them.
pub trait NoCauses {
    /// Returns no causes.
    fn causes(&self) -> Vec<String>;
}

impl<E> NoCauses for Causes<'_, E> {
    fn causes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Adds causes to the text of a failure, unless it contains them already.
pub fn caused(failure: RemoteError, causes: Vec<String>) -> RemoteError {
    failure.caused_by(causes)
}

/// Calls a method. A panic fails the call, and nothing else.
pub(super) fn guarded(call: impl FnOnce() -> Outcome<Later>) -> Outcome<Later> {
    contain(call).unwrap_or_else(Outcome::from)
}

/// A method or a hook that did not complete at once.
pub(super) struct Running {
    later: Contained<Later>,
    endpoint: EndpointId,
}

impl Running {
    /// Wraps a method of `endpoint`.
    pub(super) const fn new(later: Later, endpoint: EndpointId) -> Self {
        Self { later: Contained::new(later), endpoint }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Answer> {
        let _entered = self.endpoint.enter();
        self.later.poll(cx).map(|answer| answer.and_then(|answer| answer))
    }

    /// Polls for the first time. It needs no waker: the task that continues the method polls it again.
    pub(super) fn poll_once(&mut self) -> Poll<Answer> {
        self.poll(&mut Context::from_waker(Waker::noop()))
    }
}
