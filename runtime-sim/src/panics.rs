//! Panics, which fail a simulation wherever they happen.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{self, AssertUnwindSafe, PanicHookInfo, catch_unwind};
use std::sync::{Arc, Once};
use std::time::Duration;

use aiomas::panics;

/// A panic in a simulation. See [`SimBuilder::allow_panics`](crate::SimBuilder::allow_panics).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Panic {
    /// The message of the panic.
    pub message: String,
    /// File, line and column. `None` after `resume_unwind`, which does not report them.
    pub location: Option<String>,
    /// The host whose code panicked.
    pub host: Arc<str>,
    /// The time since the simulation began.
    pub at: Duration,
}

impl fmt::Display for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { message, location, host, at } = self;
        write!(f, "{message}\non {host}, after {at:?}")?;
        location.iter().try_for_each(|location| write!(f, ", at {location}"))
    }
}

/// A panic observed in this thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) message: String,
    pub(crate) location: Option<String>,
    /// The reason for a failed simulation, if the simulation itself panicked.
    pub(crate) cause: Option<Cause>,
}

/// The reason for a failed simulation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cause {
    pub(crate) text: String,
    pub(crate) location: Option<String>,
}

thread_local! {
    /// The panics since [`watch`] began; `None` outside of it.
    static SEEN: RefCell<Option<Vec<Seen>>> = const { RefCell::new(None) };
    /// The cause of the next panic.
    static CAUSE: Cell<Option<Cause>> = const { Cell::new(None) };
}

/// Runs `code`. Returns its result, unless it panics, and all panics in the meantime, including
/// those that the driver caught.
pub(crate) fn watch<T>(code: impl FnOnce() -> T) -> (Option<T>, Vec<Seen>) {
    install_hook();
    let outer = SEEN.replace(Some(Vec::new()));
    let (result, contained) = panics::collect(|| catch_unwind(AssertUnwindSafe(code)));
    let mut seen = SEEN.replace(outer).unwrap_or_default();
    // Covers panics that the hook did not see: resumed ones, or all if a test installs its own
    // hook.
    let unseen = |message| Seen { message, location: None, cause: None };
    if seen.is_empty() {
        seen.extend(contained.into_iter().map(unseen));
    }
    match result {
        Ok(result) => (Some(result), seen),
        Err(payload) => {
            if seen.is_empty() {
                seen.push(unseen(message(&*payload)));
            }
            discard(payload);
            (None, seen)
        }
    }
}

/// Fails a simulation with a panic. `seed` is the end of its message.
#[track_caller]
pub(crate) fn fail(cause: Cause, seed: fmt::Arguments<'_>) -> ! {
    let message = format!("{}{seed}", cause.text);
    CAUSE.set(Some(cause));
    panic!("{message}");
}

/// Adds a hook that records panics to the process's hook.
fn install_hook() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        let other = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            note(info);
            other(info);
        }));
    });
}

/// Must not panic, and must not take a lock that the panicking code may hold.
fn note(info: &PanicHookInfo<'_>) {
    let cause = CAUSE.try_with(Cell::take).ok().flatten();
    let note = |seen: &RefCell<Option<Vec<Seen>>>| {
        if let Ok(mut seen) = seen.try_borrow_mut()
            && let Some(seen) = &mut *seen
        {
            let location = info.location().map(ToString::to_string);
            seen.push(Seen { message: message(info.payload()), location, cause });
        }
    };
    // At the end of a thread the list is destroyed.
    let _noted = SEEN.try_with(note);
}

fn message(payload: &(dyn Any + Send)) -> String {
    panics::text(payload).unwrap_or("a panic without a message").to_owned()
}

/// Drops a payload, which may panic once more. The payload of that second panic is leaked.
fn discard(payload: Box<dyn Any + Send>) {
    if let Err(another) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(another);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(seen: &[Seen]) -> Vec<&str> {
        seen.iter().map(|seen| &*seen.message).collect()
    }

    #[test]
    fn caught_panics_are_seen() {
        let (result, seen) = watch(|| {
            let caught = catch_unwind(|| panic!("number {}", 1));
            (caught.is_err(), watch(|| panic!("inner")).0)
        });
        assert_eq!(result, Some((true, None::<()>)));
        assert_eq!(messages(&seen), ["number 1"]);
        assert!(seen[0].location.as_ref().is_some_and(|location| location.contains("panics.rs:")));
    }

    #[test]
    fn a_panic_that_no_hook_sees_counts() {
        let (result, seen) = watch(|| panic::resume_unwind(Box::new("resumed")));
        assert_eq!((result, messages(&seen)), (None::<()>, vec!["resumed"]));
        assert_eq!(seen[0].location, None);
    }

    #[test]
    fn a_payload_may_panic() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("in the payload");
            }
        }
        let (result, seen) = watch(|| panic::panic_any(Bomb));
        assert_eq!((result, messages(&seen)), (None::<()>, vec!["a panic without a message"]));
    }
}
