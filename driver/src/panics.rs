//! Contained panics of user code, for runtimes that report them: each fails a simulation.

use std::any::Any;
use std::cell::RefCell;

// The program's futures lie between the collecting runtime and the containing code, and pass no argument on.
thread_local! {
    static CONTAINED: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Runs `code`, and returns the texts of panics [`contained`] in this thread meanwhile.
pub fn collect<T>(code: impl FnOnce() -> T) -> (T, Vec<String>) {
    /// Restores the outer collector, also if `code` panics.
    struct Restore(Option<Vec<String>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            CONTAINED.set(self.0.take());
        }
    }
    let restore = Restore(CONTAINED.replace(Some(Vec::new())));
    let result = code();
    let contained = CONTAINED.take().unwrap_or_default();
    drop(restore);
    (result, contained)
}

/// Reports a caught panic that is not passed on.
pub fn contained(payload: &(dyn Any + Send)) {
    CONTAINED.with_borrow_mut(|contained| {
        if let Some(contained) = contained {
            contained.push(text(payload).unwrap_or_default().to_owned());
        }
    });
}

/// Returns the text of a panic, if it has one.
#[must_use]
pub fn text(payload: &(dyn Any + Send)) -> Option<&str> {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn panics_are_told_to_the_innermost_collector() {
        contained(&"before");
        let (panicked, outer) = collect(|| {
            contained(&"outer");
            let (inner, texts) = collect(|| contained(&"inner".to_owned()));
            assert_eq!((inner, texts), ((), vec!["inner".to_owned()]));
            catch_unwind(|| {
                collect(|| {
                    contained(&"lost");
                    panic!("on purpose");
                })
            })
            .is_err()
        });
        assert!(panicked);
        assert_eq!(outer, ["outer"]);
        contained(&"behind");
    }
}
