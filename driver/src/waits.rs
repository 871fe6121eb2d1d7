//! Descriptions of waits, for runtimes that detect a stall: the runtime polls each task once more, and each wait
//! describes itself.

use std::cell::{Cell, RefCell};

// The runtime polls a task of the program, which contains our future: no argument passes through the program's code.
thread_local! {
    static EXPLAINS: Cell<bool> = const { Cell::new(false) };
    static NOTES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Runs `poll`, and returns the descriptions [noted](note) meanwhile.
pub fn explain<T>(poll: impl FnOnce() -> T) -> (T, Vec<String>) {
    /// Also resets the flag if `poll` panics; otherwise every later wait would be noted.
    struct Stop;
    impl Drop for Stop {
        fn drop(&mut self) {
            EXPLAINS.set(false);
        }
    }
    // Discards notes left by a poll that panicked.
    NOTES.take();
    EXPLAINS.set(true);
    let stop = Stop;
    let result = poll();
    drop(stop);
    (result, NOTES.take())
}

/// Notes the description of a wait, while a runtime collects them.
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
