//! Answers that come later.

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

/// Turns the error of a method into what its caller gets. What a peer has failed with is passed on as it
/// is.
pub fn failure<E: Display + 'static>(error: E) -> RemoteError {
    let mut error = Some(error);
    let ours = (&mut error as &mut dyn Any).downcast_mut::<Option<Error>>();
    match (ours.and_then(Option::take), error) {
        (Some(error), _) => error.into(),
        (None, Some(error)) => RemoteError::from_error(error),
        (None, None) => RemoteError::new(RemoteError::UNKNOWN, ""),
    }
}

/// The causes of an error, for [`failure`]. Which of the traits below applies, the macros find out by looking for the
/// method `causes` behind several references: the first that fits is taken.
pub struct Causes<'a, E>(pub &'a E);

impl<E> fmt::Debug for Causes<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Causes")
    }
}

/// An error has causes.
pub trait CausesOfError {
    /// The errors that led to it, the nearest first.
    fn causes(&self) -> Vec<String>;
}

impl<E: std::error::Error + 'static> CausesOfError for &&Causes<'_, E> {
    fn causes(&self) -> Vec<String> {
        causes(self.0)
    }
}

/// What is around an error that can be of any type, as of `anyhow`.
pub trait CausesOfAny {
    /// As [`CausesOfError::causes`].
    fn causes(&self) -> Vec<String>;
}

impl<E: AsRef<dyn std::error::Error + Send + Sync>> CausesOfAny for &Causes<'_, E> {
    fn causes(&self) -> Vec<String> {
        causes(self.0.as_ref())
    }
}

/// Other types have none, or [`RemoteError::from_error`] finds them.
pub trait NoCauses {
    /// None.
    fn causes(&self) -> Vec<String>;
}

impl<E> NoCauses for Causes<'_, E> {
    fn causes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// A failure with these causes in its text, unless they are there already.
pub fn caused(failure: RemoteError, causes: Vec<String>) -> RemoteError {
    failure.caused_by(causes)
}

/// Calls a method. A panic is the failure of the call, and of nothing else.
pub(super) fn guarded(call: impl FnOnce() -> Outcome<Later>) -> Outcome<Later> {
    contain(call).unwrap_or_else(Outcome::from)
}

/// A method or a hook that is not done at once.
pub(super) struct Running {
    later: Contained<Later>,
    endpoint: EndpointId,
}

impl Running {
    /// `endpoint` is what the method is part of.
    pub(super) const fn new(later: Later, endpoint: EndpointId) -> Self {
        Self { later: Contained::new(later), endpoint }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Answer> {
        let _entered = self.endpoint.enter();
        self.later.poll(cx).map(|answer| answer.and_then(|answer| answer))
    }

    /// Polls for the first time. No waker is needed: the task that gets the rest polls it again.
    pub(super) fn poll_once(&mut self) -> Poll<Answer> {
        self.poll(&mut Context::from_waker(Waker::noop()))
    }
}
