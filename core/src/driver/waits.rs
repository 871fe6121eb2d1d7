//! Who waits for what, for runtimes that can tell when nobody goes on: each task is polled once more, and
//! whatever it waits for says so.

use std::cell::{Cell, RefCell};

thread_local! {
    static EXPLAINS: Cell<bool> = const { Cell::new(false) };
    static NOTES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Runs `poll`, and returns what was [noted](note) meanwhile.
pub fn explain<T>(poll: impl FnOnce() -> T) -> (T, Vec<String>) {
    EXPLAINS.set(true);
    let result = poll();
    EXPLAINS.set(false);
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
