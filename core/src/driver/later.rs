//! Answers that come later, and user code that panics.

use std::any::Any;
use std::fmt::{self, Display};
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::{Error, panics, trace};
use crate::rpc::{Outcome, Service};
use crate::wire::{Body, RemoteError, causes};

/// What a method answers: the encoded result, or a failure.
pub type Answer = Result<Body, RemoteError>;

/// How a service of an async driver puts an answer off.
pub type Later = Pin<Box<dyn Future<Output = Answer> + Send>>;

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

/// Calls user code. That it panics is a failure of the call, and of nothing else.
pub(super) fn guarded(call: impl FnOnce() -> Outcome<Later>) -> Outcome<Later> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| panicked(&*panic).into())
}

/// Calls user code that nobody waits for. That it panics must not end what goes on behind it.
pub(super) fn undisturbed(call: impl FnOnce()) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(call)) {
        panics::contained(&*panic);
    }
}

/// Polls what comes later for the first time; it need not be told when to go on, for whoever gets it
/// polls it again.
pub(super) fn poll_once(later: &mut Later) -> Poll<Answer> {
    poll_guarded(later, &mut Context::from_waker(Waker::noop()))
}

pub(super) fn poll_guarded(later: &mut Later, cx: &mut Context<'_>) -> Poll<Answer> {
    catch_unwind(AssertUnwindSafe(|| later.as_mut().poll(cx)))
        .unwrap_or_else(|panic| Poll::Ready(Err(panicked(&*panic))))
}

/// A task of user code that nobody waits for. That it panics ends it, and nothing else.
pub(super) async fn alone(task: impl Future<Output = ()>) {
    let mut task = pin!(task);
    poll_fn(|cx| {
        catch_unwind(AssertUnwindSafe(|| task.as_mut().poll(cx))).unwrap_or_else(|panic| {
            let _error = panicked(&*panic);
            Poll::Ready(())
        })
    })
    .await;
}

#[cold]
fn panicked(panic: &(dyn Any + Send)) -> RemoteError {
    panics::contained(panic);
    let error = RemoteError::panic(panics::text(panic));
    trace::panicked(&error);
    error
}
