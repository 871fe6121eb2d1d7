#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| aiomas_tests::fuzz::mosaik(data));
