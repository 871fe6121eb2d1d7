#![no_main]

use std::cell::RefCell;

use aiomas_blosc_tests::oracle::{Oracle, serve_if_child};

thread_local!(static C: RefCell<Oracle> = RefCell::default());

libfuzzer_sys::fuzz_target!(init: serve_if_child(), |data: &[u8]| {
    aiomas_tests::fuzz::blosc(data);
    C.with_borrow_mut(|c| c.compare(data));
});
