//! Who waits for what, for runtimes that can tell when nobody goes on: each task is polled once more, and
//! whatever it waits for says so.

use std::cell::{Cell, RefCell};

// A runtime that asks polls a task of the program, in whose depth a future of ours notes: no argument passes through it.
thread_local! {
    static EXPLAINS: Cell<bool> = const { Cell::new(false) };
    static NOTES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Runs `poll`, and returns what was [noted](note) meanwhile.
pub fn explain<T>(poll: impl FnOnce() -> T) -> (T, Vec<String>) {
    /// Also if `poll` panics: or everything would be noted from then on.
    struct Stop;
    impl Drop for Stop {
        fn drop(&mut self) {
            EXPLAINS.set(false);
        }
    }
    // What another one has left that panicked.
    NOTES.take();
    EXPLAINS.set(true);
    let stop = Stop;
    let result = poll();
    drop(stop);
    (result, NOTES.take())
}

/// Says what is waited for, if anybody wants to know.
#[inline]
pub fn note(what: impl FnOnce() -> String) {
    if EXPLAINS.get() {
        let what = what();
        NOTES.with_borrow_mut(|notes| notes.push(what));
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn notes_are_taken_only_while_somebody_wants_them() {
        let say = |what: &'static str| note(move || what.to_owned());
        say("before");
        let panicked = catch_unwind(|| {
            explain(|| {
                say("lost");
                panic!("on purpose");
            })
        });
        assert!(panicked.is_err());
        say("between");
        assert_eq!(explain(|| say("this")), ((), vec!["this".to_owned()]));
    }
}
