//! What answers calls: values with exposed methods, one after the other or side by side.

mod chain;
mod dict;
mod hosted;
mod interface;
mod mailbox;

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};
use std::task::{Context as TaskContext, Poll, Waker};

pub use hosted::{Exclusive, Shared};
pub use interface::{Answer, Interface, IntoService, Invocation, Later, Method, SharedService};

pub(super) use hosted::Hosted;

use super::{Error, Proxy, container};
use crate::agent::AgentUrl;
use crate::rpc::{Outcome, Service, ServiceDict};
use crate::wire::RemoteError;

impl<T: Interface> IntoService for T {
    type Proxy = T::Proxy;

    fn into_service(self) -> SharedService {
        Arc::new(Hosted::new(self, None))
    }
}

impl IntoService for ServiceDict<Later> {
    type Proxy = Proxy;

    fn into_service(self) -> SharedService {
        Arc::new(self)
    }
}

/// Something that can live in a container. Implemented by [`#[agent]`](macro@crate::agent), and for
/// [`ServiceDict`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no agent",
    note = "write `#[agent]` above an `impl {Self}` block, and `#[expose]` above its methods"
)]
pub trait Agent: Sized + 'static {
    /// What calls it from afar.
    type Proxy: From<Proxy>;

    /// The name of the type, which peers are told that ask for the agent.
    fn type_name(&self) -> &str;

    /// Lets it live in a container.
    #[doc(hidden)]
    fn into_resident(self, me: Arc<Identity>) -> Arc<dyn Resident>;
}

impl Agent for ServiceDict<Later> {
    type Proxy = Proxy;

    fn type_name(&self) -> &str {
        Service::type_name(self)
    }

    fn into_resident(self, _: Arc<Identity>) -> Arc<dyn Resident> {
        Arc::new(self)
    }
}

/// What `#[agent]` calls.
#[doc(hidden)]
pub fn host_agent<T: Interface>(agent: T, me: Arc<Identity>) -> Arc<dyn Resident> {
    Arc::new(Hosted::new(agent, Some(me)))
}

/// Where an agent lives, and under what name.
#[derive(Debug)]
pub struct Identity {
    pub(super) url: AgentUrl,
    pub(super) container: Weak<container::Inner>,
    pub(super) max_mailbox: u32,
}

/// An agent in its container.
#[doc(hidden)]
pub trait Resident: Service<Later> + Send + Sync {
    /// What it does before anybody calls it.
    fn start(&self) -> Outcome<Later> {
        Outcome::NotFound
    }

    /// What it does after its last call. Calls that still wait have failed by then.
    fn stop(&self) -> Outcome<Later> {
        Outcome::NotFound
    }

    /// It is gone: calls that wait for it fail with this.
    fn desert(&self, error: &RemoteError) {
        let _ = error;
    }
}

impl Resident for ServiceDict<Later> {}

/// Turns the error of a method into what its caller gets. What a peer has failed with is passed on as it
/// is.
pub fn failure<E: Display + 'static>(error: E) -> RemoteError {
    let mut error = Some(error);
    let ours = (&mut error as &mut dyn std::any::Any).downcast_mut::<Option<Error>>();
    match (ours.and_then(Option::take), error) {
        (Some(error), _) => error.into(),
        (None, Some(error)) => RemoteError::from_error(error),
        (None, None) => RemoteError::new(RemoteError::UNKNOWN, ""),
    }
}

/// Calls user code. That it panics is a failure of the call, and of nothing else.
pub(super) fn guarded(call: impl FnOnce() -> Outcome<Later>) -> Outcome<Later> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| panicked(&*panic).into())
}

/// Calls user code that nobody waits for. That it panics must not end what goes on behind it.
pub(super) fn undisturbed(call: impl FnOnce()) {
    let _panic = catch_unwind(AssertUnwindSafe(call));
}

/// Polls what comes later for the first time; it need not be told when to go on, for whoever gets it
/// polls it again.
pub(super) fn poll_once(later: &mut Later) -> Poll<Answer> {
    poll_guarded(later, &mut TaskContext::from_waker(Waker::noop()))
}

pub(super) fn poll_guarded(later: &mut Later, cx: &mut TaskContext<'_>) -> Poll<Answer> {
    catch_unwind(AssertUnwindSafe(|| later.as_mut().poll(cx)))
        .unwrap_or_else(|panic| Poll::Ready(Err(panicked(&*panic))))
}

#[cold]
fn panicked(panic: &(dyn std::any::Any + Send)) -> RemoteError {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    RemoteError::new("Panic", text.unwrap_or("the method panicked"))
}
